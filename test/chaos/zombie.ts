import { setTimeout as pause } from 'node:timers/promises'
import { eventually } from '@rondo/testkit/eventually'
import kafkajs from 'kafkajs'
import { asked } from './backends.ts'
import type { Member } from './fleet.ts'
import { count, type Stage } from './stage.ts'

/** Milliseconds: a group waits ten seconds for a silent member, a relay’s lease lasts as long. */
const takenOverWithin = 30_000
/** Milliseconds that the successor works before the other one wakes up. */
const successorWorks = 2500
/** Milliseconds by which its database's replies are late just before it stands still: what it wakes up with is old by then. */
const lateBy = 1500
/** Milliseconds that what it had in its hands may take to be refused. */
const refusedWithin = 8000

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

const refusal = /outcome="(duplicate|conflict|defect)"/

/** What this process had of others' facts in its hands and was not let record: another one had, or it had read what is no longer so. */
async function refusedOf({ process: { url } }: Member): Promise<number> {
  const text = await (await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(5000) })).text()
  const refused = text
    .split('\n')
    .filter((line) => /^rondo_units_total\{/.test(line) && line.includes('origin="fact"') && refusal.test(line))
  return refused.reduce(
    (sum, line) =>
      sum +
      Number(
        line
          .slice(line.lastIndexOf('}') + 1)
          .trim()
          .split(' ')[0],
      ),
    0,
  )
}
async function refusedSince(stage: Stage, victim: Member, before: number): Promise<void> {
  const more = async () => (await refusedOf(victim)) - before || undefined
  const refused = await eventually(more, { within: refusedWithin, every: 200 }).catch(() => 0) // it had nothing in its hands
  count(stage, 'zombies that were refused what they had in their hands', refused > 0 ? 1 : 0)
  count(stage, 'facts that zombies were refused', refused)
}

/** A writer that waits for what it asked its database before it stands still; resolves with what it had been refused until then. */
async function stopped({ engines: { network } }: Stage, victim: Member): Promise<number> {
  const line = 'missing' in network ? undefined : network.lines.find(({ name }) => name === `postgres-${victim.name}`)
  await line?.poison({ type: 'latency', stream: 'downstream', attributes: { latency: lateBy } })
  try {
    await pause(lateBy)
    const refused = await refusedOf(victim)
    victim.freeze()
    return refused
  } finally {
    await line?.mend()
  }
}

/** Until another one has its partitions (and its relay, if it had that): what it has taken over, or nothing. */
async function succeeded(stage: Stage, { service }: Member, before: Working): Promise<readonly string[]> {
  const look = async () => {
    const found = takenOver(before, await working(stage, service))
    return found.includes('partitions') && found
  }
  return eventually(look, { within: takenOverWithin, every: 1000 }).catch(() => []) // others fell meanwhile, too
}

/** A writer stands still until another one has its work, then wakes up and goes on with what it had in its hands. */
export async function frozen(stage: Stage, victim: Member): Promise<void> {
  // An engine may be down just now
  const before = await eventually(() => working(stage, victim.service), { within: takenOverWithin, every: 500 })
  const refused = await stopped(stage, victim)
  let taken: readonly string[] = []
  try {
    taken = await succeeded(stage, victim, before)
    await pause(successorWorks)
  } finally {
    victim.thaw()
  }
  count(stage, taken.length > 0 ? `a zombie woke up after its ${taken.join(' and ')} had a successor` : 'frozen; nobody took over')
  if (taken.length > 0) await refusedSince(stage, victim, refused)
}
