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
const refusal = /outcome="(duplicate|conflict|defect)"/

async function refusedSince(stage: Stage, victim: Member, before: number): Promise<void> {
  const refused = await eventually(async () => Math.max(0, (await refusedOf(victim)) - before), {
    within: refusedWithin,
    every: 200,
  }).catch(() => 0) // it had nothing in its hands, or was killed
  count(stage, 'a zombie was refused what it had in its hands', refused > 0 ? 1 : 0)
  count(stage, 'facts that zombies were refused', refused)
}

/** A writer that waits for what it asked its database before it stands still. */
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

/** A writer stands still until another one has its partitions (and its relay, if it had that), then wakes up and goes on. */
export async function frozen(stage: Stage, victim: Member): Promise<void> {
  const before = await working(stage, victim.service)
  const successors = stage.fleet.members.filter((one) => one !== victim && one.service === victim.service)
  for (const one of successors) one.needed = true
  let wasRefused: number | undefined
  try {
    wasRefused = await stopped(stage, victim)
    const taken = await eventually(
      async () => {
        const found = takenOver(before, await working(stage, victim.service))
        return found.includes('partitions') && found
      },
      { within: takenOverWithin, every: 1000 },
    ).catch(() => []) // others fell meanwhile, too
    count(stage, taken.length > 0 ? `a zombie woke up after its ${taken.join(' and ')} had a successor` : 'frozen; nobody took over')
    await pause(successorWorks)
    if (taken.length === 0) wasRefused = undefined
  } finally {
    victim.thaw()
    for (const one of successors) one.needed = false
  }
  if (wasRefused !== undefined) await refusedSince(stage, victim, wasRefused)
}
