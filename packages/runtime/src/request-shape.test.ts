import protobuf from 'protobufjs'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { requestFaults } from './request-shape.ts'

const { root } = protobuf.parse(
  'syntax = "proto3"; message Leaf { string text = 1; optional string note = 2; } message Tree { string id = 1; repeated Leaf leaves = 2; map<string, Leaf> named = 3; optional Tree inner = 4; }',
  { keepCase: true },
)
root.resolveAll()
const faults = (schema: z.ZodType) => requestFaults(schema, root.lookupType('Tree'))
const leaf = z.strictObject({ text: z.string(), note: z.string().optional() })

test('a schema with the fields of the message', () => {
  const tree = z.strictObject({ id: z.string(), leaves: z.array(leaf), named: z.record(z.string(), leaf), inner: z.unknown().optional() })
  expect(faults(tree)).toEqual([])
  expect(faults(tree.refine(() => true).readonly())).toEqual([])
})

test('each other field is named, both ways and however deep', () => {
  expect(
    faults(
      z.object({
        id: z.string(),
        leaves: z.array(leaf.omit({ note: true })),
        named: z.record(z.string(), leaf.extend({ more: z.string() })),
      }),
    ),
  ).toEqual([
    'Tree lets unknown fields pass: make it a strictObject',
    'leaves.note stands in Leaf and not in the schema',
    'named.more stands in the schema and not in Leaf',
    'inner stands in Tree and not in the schema',
  ])
})
