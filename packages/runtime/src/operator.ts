import { topicOf, toRecord } from '@rondo/contracts/cloudevents'
import { DomainError } from '@rondo/kernel'
import type { ParkedKey } from '@rondo/ledger'
import { submitParked } from './consumer-unit.ts'
import { raised } from './reaction-table.ts'
import type { RunningService } from './running-service.ts'

const page = 300

interface Range {
  readonly from: number
  /** Undefined: all. */
  readonly partition: number | undefined
}

/** Sends what was recorded up to now once more, as the relay sent it. */
export async function replay({ service, ledger, bus }: RunningService, { from, partition }: Range) {
  const { position: head, epoch } = await ledger.head()
  let sent = 0
  let last = 0
  for (let after = from - 1; after < head; ) {
    const events = (await ledger.events(after, page)).filter(({ position }) => position <= head)
    const end = events.at(-1)?.position
    if (end === undefined) break
    const rows = await ledger.sql<{ position: string; previous: string }>(
      'select position, previous from event where position > $1 and position <= $2',
      [after, end],
    )
    const previous = new Map(rows.map((row) => [Number(row.position), Number(row.previous)]))
    const wanted = events.filter((event) => partition === undefined || event.partition === partition)
    await bus.send(
      topicOf(service.name),
      wanted.map((event) => ({ ...toRecord(event, { previous: previous.get(event.position) ?? 0, epoch }), partition: event.partition })),
    )
    sent += wanted.length
    last = wanted.at(-1)?.position ?? last
    after = end
  }
  return { sent, last }
}

export interface Decision {
  readonly actor: string
  readonly why: string
}
type Key = Pick<ParkedKey, 'source' | 'partition' | 'key'>

async function waitingBehind({ ledger, service }: RunningService, key: Key) {
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
export async function retryParked(running: RunningService, key: Key, by: Decision) {
  const { ledger, table } = running
  const records = await waitingBehind(running, key)
  let applied = 0
  for (const record of records) {
    try {
      const interest = table.interests.get(record.event.type)
      if (interest) await submitParked(ledger, interest, raised(interest, record.event))
    } catch (error) {
      if (error instanceof DomainError && error.code === 'unavailable') throw error
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

/** Leaves out the oldest record of a key. */
export async function skipParked(running: RunningService, key: Key, by: Decision) {
  const [oldest, ...rest] = await waitingBehind(running, key)
  if (!oldest) throw new DomainError('not_found', 'key: nothing waits', { path: 'key' })
  await running.ledger.unpark(oldest, { decision: 'skipped', ...by })
  return { eventId: oldest.event.id, waiting: rest.length }
}
