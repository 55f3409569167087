import { setTimeout as pause } from 'node:timers/promises'
import { eventually } from '@rondo/testkit/eventually'
import kafkajs from 'kafkajs'
import { asked } from './backends.ts'
import type { Member } from './fleet.ts'
import { count, type Stage } from './stage.ts'

/** Milliseconds: a group waits ten seconds for a silent member, a relay’s lease lasts as long. */
const takenOverWithin = 35_000
/** Milliseconds that the successor works before the other one wakes up. */
const successorWorks = 2500

/** The members of a group, as the brokers know them. */
async function membersOf(brokers: readonly string[], group: string) {
  const kafka = new kafkajs.Kafka({ brokers: [...brokers], clientId: 'chaos', logLevel: kafkajs.logLevel.NOTHING })
  const admin = kafka.admin()
  try {
    await admin.connect()
    return (await admin.describeGroups([group])).groups.flatMap(({ members }) => members)
  } finally {
    await admin.disconnect()
  }
}

interface Working {
  /** Who has the lease of the relay. */
  readonly holder: string | undefined
  /** By partition of intake, the member of the group that reads it. */
  readonly readers: ReadonlyMap<number, string>
}

async function working({ database, engines }: Stage, service: string): Promise<Working> {
  const [lease] = await asked<{ holder: string | null }>(
    database,
    `select holder from ${service}.relay where held_until > clock_timestamp()`,
  )
  const members = await membersOf(engines.addresses.kafka, `rondo.${service}`)
  const readers = members.flatMap(({ memberId, memberAssignment }) => {
    if (memberAssignment.length === 0) return []
    const { assignment = {} } = kafkajs.AssignerProtocol.MemberAssignment.decode(memberAssignment) ?? {}
    return (assignment['rondo.intake.v1'] ?? []).map((partition) => [partition, memberId] as const)
  })
  return { holder: lease?.holder ?? undefined, readers: new Map(readers) }
}

/** What is another’s now that was a member’s who is gone. */
function takenOver(before: Working, now: Working): readonly string[] {
  const there = new Set(now.readers.values())
  const partitions = [...now.readers].filter(([partition, reader]) => {
    const old = before.readers.get(partition)
    return old !== undefined && old !== reader && !there.has(old)
  })
  const relay = before.holder !== undefined && now.holder !== undefined && before.holder !== now.holder
  return [...(partitions.length > 0 ? ['partitions'] : []), ...(relay ? ['relay'] : [])]
}

/** A writer stands still until another one has its partitions (and its relay, if it had that), then wakes up and goes on. */
export async function frozen(stage: Stage, victim: Member): Promise<void> {
  const before = await working(stage, victim.service)
  victim.freeze()
  try {
    const taken = await eventually(
      async () => {
        const found = takenOver(before, await working(stage, victim.service))
        return found.includes('partitions') && found
      },
      { within: takenOverWithin, every: 1000 },
    ).catch(() => []) // others fell meanwhile, too
    count(stage, taken.length > 0 ? `a zombie woke up after its ${taken.join(' and ')} had a successor` : 'frozen; nobody took over')
    await pause(successorWorks)
  } finally {
    victim.thaw()
  }
}
