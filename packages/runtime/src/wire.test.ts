import { DomainError } from '@rondo/kernel'
import fc from 'fast-check'
import protobuf from 'protobufjs'
import { expect, test } from 'vitest'
import { checkWire } from './wire.ts'

const { root } = protobuf.parse(
  `
  syntax = "proto3";
  enum Colour { NONE = 0; RED = 1; }
  message Leaf { string text = 1; Colour colour = 2; repeated Colour colours = 3; }
  message Tree { repeated Leaf leaves = 1; map<string, Leaf> named = 2; repeated int64 numbers = 3; optional double weight = 4; bytes raw = 5; map<int32, Colour> painted = 6; Tree inner = 7; }
  message Newer { repeated Leaf leaves = 1; string added = 9; }
  message NewerLeaf { string text = 1; bool added = 8; int32 colour = 2; repeated int32 colours = 3; }
  message Nest { repeated NewerLeaf leaves = 1; map<string, NewerLeaf> named = 2; map<int32, int32> painted = 6; }
`,
  { keepCase: true },
)
root.resolveAll()
const tree = root.lookupType('Tree')
const bytes = (type: string, value: object) => root.lookupType(type).encode(root.lookupType(type).fromObject(value)).finish()
const refusal = (wire: Uint8Array) => {
  try {
    checkWire(tree, wire)
  } catch (error) {
    if (error instanceof DomainError) return [error.details.path, error.message]
    throw error
  }
  return undefined
}

test('what the descriptor describes passes', () => {
  const whole = {
    leaves: [{ text: 'ü', colour: 1, colours: [0, 1] }, {}],
    named: { a: { text: 'b' } },
    numbers: ['9007199254740993', -1],
    weight: 0.5,
    raw: Buffer.from([0, 255]),
    painted: { 1: 1 },
    inner: {},
  }
  expect(refusal(bytes('Tree', whole))).toBeUndefined()
  expect(refusal(new Uint8Array())).toBeUndefined()
})

test('an unknown field is refused at its path', () => {
  expect(refusal(bytes('Newer', { added: 'x' }))).toEqual([
    '',
    expect.stringContaining('Tree has no field with the number 9; it has leaves (1), named (2)'),
  ])
  expect(refusal(bytes('Nest', { leaves: [{}, { added: true }] }))?.[0]).toBe('leaves[1]')
  expect(refusal(bytes('Nest', { named: { a: { added: true } } }))?.[0]).toBe('named')
})

test('an unknown enum value is refused', () => {
  expect(refusal(bytes('Nest', { leaves: [{ colour: 7 }] }))).toEqual([
    'leaves[0].colour',
    'leaves[0].colour: 7 is no value of Colour; it has NONE, RED',
  ])
  expect(refusal(bytes('Nest', { leaves: [{ colours: [1, 7] }] }))?.[0]).toBe('leaves[0].colours')
  expect(refusal(bytes('Nest', { painted: { 3: 9 } }))?.[0]).toBe('painted')
})

test('text that cannot be stored is refused', () => {
  expect(refusal(bytes('Tree', { leaves: [{ text: 'a\u0000b' }] }))?.[0]).toBe('leaves[0].text')
  expect(refusal(Buffer.from([0x0a, 3, 0x0a, 1, 0xff]))).toEqual(['leaves[0].text', 'leaves[0].text: the text is not UTF-8'])
})

test('cut off, nested without end, or of another kind', () => {
  const whole = bytes('Tree', { leaves: [{ text: 'abc' }], weight: 2, numbers: [1, 2, 3] })
  expect(refusal(whole.subarray(0, whole.length - 1))?.[1]).toContain('the bytes are no Tree')
  let deep = new Uint8Array()
  for (let depth = 0; depth < 80; depth += 1) deep = new Uint8Array(protobuf.Writer.create().uint32(0x3a).bytes(deep).finish())
  expect(refusal(deep)?.[1]).toContain('nested deeper than 64')
  expect(refusal(Buffer.from([0x08, 1]))).toEqual(['leaves[0]', 'leaves[0]: encoded as another type than Leaf'])
})

test('no bytes make it throw anything but a refusal, and what passes decodes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (wire) => {
      if (refusal(wire) === undefined) tree.toObject(tree.decode(wire))
    }),
  )
})
