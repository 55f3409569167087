import { eventually, kafka, needs } from '@rondo/testkit'
import { expect, onTestFinished, test } from 'vitest'
import { newGroup, newTopic } from '../conformance/stage.ts'
import { kafkaBus } from './bus.ts'
import { createClient, kafkajs } from './client.ts'

needs('kafka')

const patience = { within: 30_000, every: 100 }
const partitions = 12

/** What each member of the group was given, as the broker knows it. */
async function admin() {
  const client = createClient({ brokers: kafka().split(','), clientId: 'rondo-test' }, () => undefined)
  const admin = client.admin()
  await admin.connect()
  onTestFinished(() => admin.disconnect())
  const given = async (group: string) => {
    const [described] = (await admin.describeGroups([group])).groups
    if (described?.state !== 'Stable') return []
    const { MemberAssignment, MemberMetadata } = kafkajs().AssignerProtocol
    return described.members.map(({ memberAssignment, memberMetadata }) => ({
      process: MemberMetadata.decode(memberMetadata)?.userData.toString() ?? '',
      assignment: MemberAssignment.decode(memberAssignment)?.assignment ?? {},
    }))
  }
  return { client, given }
}

function process() {
  const bus = kafkaBus({ brokers: kafka().split(','), clientId: 'rondo-test' })
  onTestFinished(() => bus.close())
  const join = (group: string, topics: readonly string[]) =>
    bus.consume({ group, topics, start: async () => 'first', handle: async () => undefined, onError: () => undefined })
  return { bus, join }
}

test('several groups give the same partitions of a topic to the same process, whoever joined first', async () => {
  const processes = [process(), process(), process()]
  const [one, other] = [newTopic(), newTopic()]
  await processes[0]?.bus.ensure([
    { name: one, partitions },
    { name: other, partitions },
  ])
  const groups = [newGroup(), newGroup()] as const
  await Promise.all(processes.map(({ join }) => join(groups[0], [one])))
  await Promise.all(processes.toReversed().map(({ join }) => join(groups[1], [one, other])))
  const { given } = await admin()
  const all = await eventually(async () => {
    const found = await Promise.all(groups.map(given))
    return found.every((members) => members.length === 3) && found
  }, patience)
  const [first, second] = all.map(
    (members) => new Map(members.map(({ process, assignment }) => [process, (assignment[one] ?? []).toSorted()])),
  )
  expect([...(first?.values() ?? [])].map(({ length }) => length)).toEqual([4, 4, 4])
  expect(second).toEqual(first)
})

test('a member of another client, as those of earlier versions are, and ours share a group, whoever leads it', async () => {
  const { client, given } = await admin()
  for (const isOursFirst of [true, false]) {
    const { bus, join } = process()
    const name = newTopic()
    const group = newGroup()
    await bus.ensure([{ name, partitions }])
    const consumer = client.consumer({ groupId: group, rebalanceTimeout: 10_000 })
    onTestFinished(() => consumer.disconnect())
    const joinOther = async () => {
      await consumer.connect()
      await consumer.subscribe({ topics: [name] })
      await consumer.run({ autoCommit: false, eachBatch: async () => undefined })
    }
    if (isOursFirst) await join(group, [name])
    await joinOther()
    if (!isOursFirst) await join(group, [name])
    const members = await eventually(async () => {
      const members = await given(group)
      return members.length === 2 && members
    }, patience)
    const dealt = members.map(({ assignment }) => assignment[name] ?? [])
    expect(dealt.map(({ length }) => length)).toEqual([6, 6])
    expect(new Set(dealt.flat()).size).toBe(partitions)
  }
})
