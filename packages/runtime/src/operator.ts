import { intakeTopic, topicOf, toRecord } from '@rondo/contracts/cloudevents'
import { DomainError, retryAfterMs } from '@rondo/kernel'
import type { ParkedKey } from '@rondo/ledger'
import { parkedName, submitParked } from './consumer-unit.ts'
import { isIntake } from './reaction-table.ts'
import type { RunningService } from './running-service.ts'

const page = 300

interface Range {
  readonly from: number
  /** Undefined: all. */
  readonly partition: number | undefined
}

/** The last event of each wanted partition, where it lies before `from`: it shows whoever is in doubt that nothing is missing behind it. */
async function tails({ ledger }: RunningService, { from, partition }: Range) {
  const rows = await ledger.sql<{ position: string }>(
    'select max(position) as position from event where partition = $1 or $1 is null group by partition having max(position) < $2',
    [partition ?? null, from],
  )
  return rows.map((row) => Number(row.position))
}

/** Sends what was recorded up to now once more, as the relay sent it. */
export async function replay(running: RunningService, range: Range) {
  const { position: head } = await running.ledger.head()
  let sent = 0
  let last = 0
  for (const position of (await tails(running, range)).sort((a, b) => a - b)) {
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
  const { epoch } = await ledger.head()
  const events = (await ledger.events(after, page)).filter(({ position }) => position <= upTo)
  const end = events.at(-1)?.position
  const rows = await ledger.sql<{ position: string; previous: string }>(
    'select position, previous from event where position > $1 and position <= $2',
    [after, end ?? after],
  )
  const previous = new Map(rows.map((row) => [Number(row.position), Number(row.previous)]))
  const wanted = events.filter((event) => partition === undefined || event.partition === partition)
  await bus.send(
    topicOf(service.name),
    wanted.map((event) => ({ ...toRecord(event, { previous: previous.get(event.position) ?? 0, epoch }), partition: event.partition })),
  )
  return { sent: wanted.length, last: wanted.at(-1)?.position, end }
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
  if (!ends) throw new DomainError('not_found', `partition: ${topic} has no partition ${partition}`, { path: 'partition' })
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

/** Applies what waits behind a key, oldest first, until one fails again. */
export async function retryParked(running: Pick<RunningService, 'service' | 'ledger' | 'table'>, key: Key, by: Decision) {
  const { ledger, table } = running
  const records = await waitingBehind(running, key)
  let applied = 0
  for (const record of records) {
    try {
      const interest = table.interests.get(record.event.type)
      if (interest) await submitParked(ledger, interest, record)
    } catch (error) {
      if (error instanceof DomainError && retryAfterMs(error) !== undefined) throw error
      return {
        applied,
        waiting: records.length - applied,
        reason: error instanceof Error ? `${error.name}: ${error.message}` : String(error),
      }
    }
    await ledger.unpark(record, { decision: 'applied', ...by })
    applied += 1
  }
  return { applied, waiting: records.length - applied, reason: '' }
}

/** Leaves out the oldest record of a key. Refuses where a retry has applied it and was interrupted before it could take it away. */
export async function skipParked(running: Pick<RunningService, 'service' | 'ledger'>, key: Key, by: Decision) {
  const [oldest, ...rest] = await waitingBehind(running, key)
  if (!oldest) throw new DomainError('not_found', 'key: nothing waits', { path: 'key' })
  const { id, hash } = parkedName(oldest)
  if ((await running.ledger.known(id))?.hash === hash)
    throw new DomainError(
      'wrong_phase',
      `key: the oldest record behind "${key.key}" (${oldest.event.id}) was applied already, by a retry that was interrupted: retry takes it away`,
      { path: 'key' },
    )
  await running.ledger.unpark(oldest, { decision: 'skipped', ...by })
  return { eventId: oldest.event.id, waiting: rest.length }
}
