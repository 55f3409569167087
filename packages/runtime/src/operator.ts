import { intakeTopic, topicOf, toRecord } from '@rondo/contracts/cloudevents'
import { DomainError } from '@rondo/kernel'
import { epochOf, NotParked, type ParkedKey } from '@rondo/ledger'
import { submitParked } from './consumer-unit.ts'
import { retryAfterMs } from './later.ts'
import { isIntake } from './reaction-table.ts'
import type { RunningService } from './running-service.ts'

const page = 300

interface Range {
  readonly from: number
  /** Undefined: all. */
  readonly partition: number | undefined
}

const noPartition = (topic: string, partition: number): DomainError =>
  new DomainError('not_found', `partition: ${topic} has no partition ${partition}`, { path: 'partition' })

/** The last event of each wanted partition, where it lies before `from`: it shows whoever is in doubt that nothing is missing behind it. */
async function tails({ service, ledger }: RunningService, { from, partition }: Range): Promise<readonly number[]> {
  const all = (await ledger.database.store.standing()).tails
  if (partition !== undefined && partition >= all.length) throw noPartition(topicOf(service.name), partition)
  return all.filter((position, index) => position > 0 && position < from && (partition === undefined || partition === index))
}

/** Sends what was recorded up to now once more, as the relay sent it. */
export async function replay(running: RunningService, range: Range) {
  const { position: head } = await running.ledger.head()
  let sent = 0
  let last = 0
  for (const position of (await tails(running, range)).toSorted((a, b) => a - b)) {
    sent += (await resend(running, position - 1, position, range.partition)).sent
    last = position
  }
  for (let after = range.from - 1; after < head; ) {
    const page = await resend(running, after, head, range.partition)
    if (page.end === undefined) break
    sent += page.sent
    last = page.last ?? last
    after = page.end
  }
  return { sent, last }
}

/** A page of what lies behind a position and not behind another. */
async function resend({ service, ledger, bus }: RunningService, after: number, upTo: number, partition: number | undefined) {
  const { raised } = await ledger.head()
  const events = (await ledger.chained(after, page)).filter(({ event }) => event.position <= upTo)
  const end = events.at(-1)?.event.position
  const wanted = events.filter(({ event }) => partition === undefined || event.partition === partition)
  await bus.send(
    topicOf(service.name),
    wanted.map(({ event, ...before }) => ({
      ...toRecord(event, { ...before, epoch: epochOf(raised, event.position) }),
      partition: event.partition,
    })),
  )
  return { sent: wanted.length, last: wanted.at(-1)?.event.position, end }
}

/**
 * Begins another epoch of a ledger that is an older copy. Where nothing shows that it is one, only `anyway`: the witnesses may have gone back
 * with it, but on a whole ledger it makes every reader's cursor stale for nothing.
 */
export async function goOnFromBackup({ service: { name }, relay }: RunningService, anyway: boolean) {
  const older = await relay.isOlderCopy()
  if (!older && !anyway)
    throw new DomainError(
      'wrong_phase',
      `service: nothing shows that the ledger of ${name} is an older copy of what was sent: nothing was done. Where what it sent went back with it, tell so with "rondo restore ${name} --anyway"`,
      { path: 'service' },
    )
  return { older, epoch: await relay.raiseEpoch() }
}

/** Goes on behind intake that is lost for ever: from the first record that is there. Refuses where nothing is lost. */
export async function acceptGap(
  { service, ledger, bus, consumer }: RunningService,
  { topic, partition }: { readonly topic: string; readonly partition: number },
  { actor, why }: Decision,
) {
  if (!isIntake(topic))
    throw new DomainError(
      'wrong_phase',
      `topic: what is missing of ${topic} can be sent again ("rondo replay"); only a gap of ${intakeTopic} can be accepted`,
      { path: 'topic' },
    )
  const ends = (await bus.bounds(topic)).find((one) => one.partition === partition)
  if (!ends) throw noPartition(topic, partition)
  const source = `${topic}@${await bus.topicId(topic)}`
  const { position: previous, nextOffset: wanted } = (await ledger.checkpoint(source, partition)) ?? { position: 0, nextOffset: 0n }
  if (wanted >= ends.first && wanted <= ends.next)
    throw new DomainError('wrong_phase', `partition: nothing is missing of ${topic}/${partition} in ${service.name}`, {
      path: 'partition',
    })
  // An intake position is one past its offset
  const checkpoint = { source, partition, previous, position: Number(ends.first), nextOffset: ends.first }
  await ledger.acceptGap({ checkpoint, wanted, actor, why })
  consumer.resume(topic, partition)
  return { wanted, next: ends.first }
}

export interface Decision {
  readonly actor: string
  readonly why: string
}
type Key = Pick<ParkedKey, 'source' | 'partition' | 'key'>

async function waitingBehind({ ledger, service }: Pick<RunningService, 'service' | 'ledger'>, key: Key) {
  const records = await ledger.parkedRecords(key)
  if (records.length === 0) {
    throw new DomainError(
      'not_found',
      `key: nothing waits behind "${key.key}" of ${key.source}, partition ${key.partition}, in ${service.name}`,
      { path: 'key' },
    )
  }
  return records
}

/** Each epoch has positions of its own, and so a key of its own: those of before a restore come first. */
async function refuseBehindOlder({ ledger }: Pick<RunningService, 'ledger'>, { source, key }: Key): Promise<void> {
  const placeOf = (one: string) => {
    const [topic, epoch] = one.split('#')
    return { topic, epoch: Number(epoch ?? 0) }
  }
  const own = placeOf(source)
  const older = (await ledger.parkedKeys()).find((one) => {
    const { topic, epoch } = placeOf(one.source)
    return one.key === key && topic === own.topic && epoch < own.epoch
  })
  if (!older) return
  const where = `${older.source}, partition ${older.partition}`
  throw new DomainError('wrong_phase', `key: records of "${key}" from before a restore wait (${where}): retry or skip those first`, {
    path: 'key',
  })
}

/** Applies what waits behind a key, oldest first, until one fails again. Rejects where somebody else decides over them meanwhile. */
export async function retryParked(running: Pick<RunningService, 'service' | 'ledger' | 'table'>, key: Key, by: Decision) {
  const { ledger, table } = running
  const records = await waitingBehind(running, key)
  await refuseBehindOlder(running, key)
  let applied = 0
  for (const record of records) {
    try {
      await submitParked(ledger, table.interests.get(record.event.type), record, by)
    } catch (error) {
      if (error instanceof NotParked || (error instanceof DomainError && retryAfterMs(error) !== undefined)) throw error
      return {
        applied,
        waiting: records.length - applied,
        reason: error instanceof Error ? `${error.name}: ${error.message}` : String(error),
      }
    }
    applied += 1
  }
  return { applied, waiting: records.length - applied, reason: '' }
}

interface DecisionRow {
  readonly at: string
  readonly actor: string
  readonly decision: string
  readonly why: string
  readonly event_id: string
}
const mostDecisions = 100

/** What waits behind a key, wherever it was read, and what was decided of its records before. Refuses a key of which neither is known. */
export async function showParked({ ledger, service }: Pick<RunningService, 'service' | 'ledger'>, key: string) {
  const places = (await ledger.parkedKeys()).filter((one) => one.key === key)
  const records = (await Promise.all(places.map((place) => ledger.parkedRecords(place)))).flat()
  const decisions = await ledger.sql<DecisionRow>(
    'select at, actor, decision, why, event_id from parked_decision where key = $1 order by number desc limit $2',
    [key, mostDecisions],
  )
  if (records.length === 0 && decisions.length === 0)
    throw new DomainError('not_found', `key: no record of "${key}" was ever parked in ${service.name}`, { path: 'key' })
  return { records, decisions }
}

/** Leaves out the oldest record of a key. Refuses where somebody else decides over it meanwhile. */
export async function skipParked(running: Pick<RunningService, 'service' | 'ledger'>, key: Key, by: Decision) {
  const [oldest, ...rest] = await waitingBehind(running, key)
  if (!oldest) throw new DomainError('not_found', 'key: nothing waits', { path: 'key' })
  await running.ledger.skip(oldest, by)
  return { eventId: oldest.event.id, waiting: rest.length }
}
