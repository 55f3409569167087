import fc from 'fast-check'
import { expect, test } from 'vitest'
import { kafkajs } from './client.ts'
import { assignments, dealt, given, introduced } from './dealing.ts'

const topics = ['rondo.intake.v1', 'rondo.builds.v1', 'rondo.releases.v1']
const twelve = () => Array.from({ length: 12 }, (_, partition) => partition)
const group = (name: string, processes: readonly string[], read = topics) =>
  processes.map((process) => ({ memberId: `${name}-${process.length}-${process}`, process, topics: read }))

const byProcess = (name: string, processes: readonly string[], read = topics) => {
  const members = group(name, processes, read)
  const hands = dealt(members, twelve)
  return new Map(members.map(({ memberId, process }) => [process, hands.get(memberId)]))
}

test('each group deals the same partitions of a topic to the same process, whatever its members are called and whatever else they read', () => {
  const one = byProcess('a', ['p', 'q', 'r', 's'])
  const other = byProcess('z', ['s', 'q', 'p', 'r'], ['rondo.intake.v1', 'rondo.operations.v1'])
  for (const process of one.keys()) expect(other.get(process)?.['rondo.intake.v1']).toEqual(one.get(process)?.['rondo.intake.v1'])
  expect(new Set([...one.values()].map((hand) => hand?.['rondo.intake.v1']?.length))).toEqual(new Set([3]))
})

test('each partition is dealt once, to somebody who reads its topic, and nobody has two more of a topic than another', () => {
  const members = fc.uniqueArray(
    fc.record({ memberId: fc.string({ minLength: 1 }), process: fc.constantFrom('p', 'q', 'r'), topics: fc.subarray(topics) }),
    { selector: ({ memberId }) => memberId, minLength: 1, maxLength: 8 },
  )
  fc.assert(
    fc.property(members, (all) => {
      const hands = dealt(all, twelve)
      for (const topic of topics) {
        const readers = all.filter((member) => member.topics.includes(topic))
        const counts = readers.map(({ memberId }) => hands.get(memberId)?.[topic]?.length ?? 0)
        const partitions = all.flatMap(({ memberId }) => hands.get(memberId)?.[topic] ?? [])
        expect(partitions.toSorted((one, two) => one - two)).toEqual(readers.length > 0 ? twelve() : [])
        expect(counts.reduce((sum, count) => sum + count, 0)).toBe(partitions.length)
        if (counts.length > 0) expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1)
      }
    }),
  )
})

test('what is left over is not the same process’s of each topic', () => {
  const many = Array.from({ length: 10 }, (_, n) => `rondo.topic${n}.v1`)
  const hands = [...byProcess('a', ['p', 'q', 'r', 's', 't'], many).values()]
  const most = Math.max(...hands.map((hand) => Object.values(hand ?? {}).flat().length))
  expect(most).toBeLessThan(30) // 120 partitions among five; ten times three
})

test('members of other clients, who say nothing of their process, take part', () => {
  const { MemberMetadata } = kafkajs().AssignerProtocol
  const foreign = MemberMetadata.encode({ version: 0, topics: ['rondo.intake.v1'], userData: Buffer.alloc(0) })
  const [ours] = introduced('p', ['rondo.intake.v1'])
  const members = [
    { memberId: 'foreign', memberMetadata: foreign },
    { memberId: 'ours', memberMetadata: ours?.metadata ?? Buffer.alloc(0) },
  ]
  const all = assignments(members, twelve).map(({ memberId, memberAssignment }) => [memberId, given(memberAssignment).length])
  expect(Object.fromEntries(all)).toEqual({ foreign: 6, ours: 6 })
})
