import type { StoredRecord } from '@rondo/bus'
import { facts } from '@rondo/kernel'
import { when } from '@rondo/reaction'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { noticed, rest, runsOf } from './consumer-noted.ts'
import { reactionTable } from './reaction-table.ts'

const { heard, seen } = facts('rondo.intake.signal', { heard: z.object({}), seen: z.object({}) })
const table = reactionTable({ name: 'own', reactions: [when(heard, () => [])] })
const edge = { ce_id: 'i', ce_type: seen.type, ce_contenthash: 'h' }
const record = (headers: Readonly<Record<string, string>>): StoredRecord => ({
  topic: 'rondo.intake.v1',
  partition: 0,
  offset: 4n,
  timestamp: new Date(0),
  key: 'k',
  value: null,
  headers,
})

test('only what has no effect, and says what it is known by, need not be read', () => {
  expect(noticed('rondo.intake.v1', record(edge), table)).toMatchObject({
    position: 5,
    knownBy: { type: seen.base, id: 'i', hash: 'h' },
    interest: undefined,
  })
  const { ce_contenthash: _, ...unhashed } = edge
  expect(noticed('rondo.intake.v1', record(unhashed), table)).toBeUndefined()
  expect(noticed('rondo.intake.v1', record({ ...edge, ce_type: heard.type }), table)).toBeUndefined()
  expect(noticed('rondo.intake.v1', record({ ...edge, ce_type: 'of no version' }), table)).toBeUndefined()
  expect(noticed('rondo.builds.v1', record(edge), table)).toBeUndefined()
})

test('what stands together goes together, no more than a statement takes', () => {
  const one = noticed('rondo.intake.v1', record(edge), table)
  if (!one) throw new Error('it has to be read')
  const other = { event: 'other' }
  const runs = runsOf<typeof other>([one, one, other, ...Array.from({ length: 501 }, () => one)])
  expect(runs.map((run) => (Array.isArray(run) ? run.length : run))).toEqual([2, other, 500, 1])
})

test('a rest ends at its time, or when the partition is taken away', async () => {
  const waiting: (() => void)[] = []
  const clock = {
    after(_: number, run: () => void) {
      waiting.push(run)
      return () => undefined
    },
  }
  const kept = rest(clock, new AbortController().signal)
  waiting[0]?.()
  await kept
  const taken = new AbortController()
  const short = rest(clock, taken.signal)
  taken.abort()
  await short
  await rest(clock, taken.signal)
  expect(waiting).toHaveLength(2)
})
