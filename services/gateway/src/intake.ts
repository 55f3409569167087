import { BusError } from '@rondo/bus'
import { type IntakeEvent, intakeTopic, toIntakeRecord } from '@rondo/contracts/cloudevents'
import { item } from '@rondo/contracts/intake'
import { DomainError, type ErrorCode, type Instant } from '@rondo/kernel'
import { uuid5, uuidBytes } from '@rondo/ledger'
import { activeTraceparent, type Host, hashOf } from '@rondo/runtime'
import type { Observed, Refused } from './adapters/adapter.ts'

/** uuid v5 of the DNS name `rondo.intake`. */
const namespace = uuidBytes(uuid5(uuidBytes('6ba7b810-9dad-11d1-80b4-00c04fd430c8'), 'rondo.intake'))
/** An outside event is known by (source, id). */
export const eventIdOf = (source: string, id: string): string => uuid5(namespace, JSON.stringify([source, id]))

export interface Result {
  readonly event_id: string
  readonly status: 'accepted' | 'duplicate' | 'refused'
  readonly receipt: string
  readonly code: ErrorCode | ''
  readonly path: string
  readonly message: string
}

/** One thing to deliver, or why it cannot be. */
export type Delivered = Observed | DomainError

export const receiptOf = (eventId: string): string => `/v1/receipts/${eventId}`
const accepted = (event_id: string, status: 'accepted' | 'duplicate'): Result => ({
  event_id,
  status,
  receipt: receiptOf(event_id),
  code: '',
  path: '',
  message: '',
})
export const refusedResult = ({ code, message, details }: DomainError, event_id = ''): Result => ({
  event_id,
  status: 'refused',
  receipt: '',
  code,
  path: details.path ?? '',
  message,
})

const version = /\.v(\d+)$/
function intakeEvent(
  { source, id, at, untimed, fact }: Observed,
  by: Pick<IntakeEvent, 'actor' | 'traceparent'>,
  content: unknown,
): IntakeEvent {
  const eventId = eventIdOf(source, id)
  const [, schemaVersion = '1'] = version.exec(fact.type) ?? []
  return {
    id: eventId,
    type: fact.type.replace(version, ''),
    schemaVersion: Number(schemaVersion),
    data: fact.data,
    occurredAt: at,
    ...by,
    correlationId: eventId,
    causationId: eventId,
    loopIds: [],
    key: eventId,
    contentHash: hashOf(fact.type, untimed ? '' : at, content),
  }
}

/** The first that the broker does not take, as it tells; the others can still go. */
function refusedIndex(error: unknown): number | undefined {
  const index = error instanceof BusError && error.code === 'too_large' ? error.details.index : undefined
  return typeof index === 'number' ? index : undefined
}

const notTaken = (error: unknown): DomainError =>
  error instanceof BusError && error.code === 'overloaded'
    ? new DomainError('overloaded', 'the event is not stored: too many wait for the bus. Send it again')
    : new DomainError('unavailable', 'the event is not stored: the bus does not answer. Send it again', { cause: String(error) })

type Pending = { readonly place: number; readonly event: IntakeEvent }

/** Sends what the broker takes; what is too large for it is refused alone. Resolves when all the rest is durable. */
async function send(host: Host, pending: readonly Pending[], results: Result[]): Promise<void> {
  if (pending.length === 0) return
  try {
    await host.bus.send(
      intakeTopic,
      pending.map(({ event }) => toIntakeRecord(event)),
    )
    for (const { place, event } of pending) results[place] = accepted(event.id, 'accepted')
  } catch (error) {
    const index = refusedIndex(error)
    const culprit = index === undefined ? undefined : pending[index]
    if (!culprit) {
      const down = notTaken(error)
      if (down.code === 'unavailable') host.log.warn({ err: error }, 'intake is not taken: the bus does not answer')
      for (const { place, event } of pending) results[place] = refusedResult(down, event.id)
      return
    }
    results[culprit.place] = refusedResult(
      new DomainError('too_large', error instanceof Error ? error.message : String(error)),
      culprit.event.id,
    )
    await send(
      host,
      pending.filter((one) => one !== culprit),
      results,
    )
  }
}

const reused = (eventId: string) =>
  new DomainError(
    'id_reused',
    `this (source, id) was seen before with another content, which stands: see ${receiptOf(eventId)}; a new event needs a new id`,
    { path: 'id' },
  )

/** Those that were read before. */
async function known(host: Host, pending: readonly Pending[]): Promise<ReadonlyMap<string, { readonly hash: string }>> {
  try {
    return await host.ledger.knownOf(pending.map(({ event }) => event.id))
  } catch (error) {
    // Intake needs the bus alone; a duplicate that is not seen here vanishes where it is read
    host.log.debug({ err: error }, 'whether events are known could not be looked up')
    return new Map()
  }
}

/**
 * Puts outside events on the intake topic; a result for each, in order, once they are durable. What is known already is sent again
 * too, so that duplicates are counted and conflicts listed where it is read. `contents` are the same items with nobody known:
 * what was sent, which a person mapped in between does not change.
 */
export async function deliver(
  host: Host,
  actor: string,
  items: readonly Delivered[],
  contents: readonly Observed[] = [],
): Promise<readonly Result[]> {
  const results: Result[] = []
  const pending: Pending[] = []
  const by = { actor, traceparent: activeTraceparent() }
  for (const [place, one] of items.entries()) {
    if (one instanceof DomainError) results[place] = refusedResult(one)
    else pending.push({ place, event: intakeEvent(one, by, contents[place]?.fact.data ?? one.fact.data) })
  }
  if (pending.length === 0) return results
  const before = await known(host, pending)
  await send(host, pending, results)
  for (const { place, event } of pending) {
    const first = before.get(event.id)
    if (!first || results[place]?.status !== 'accepted') continue
    results[place] = first.hash === event.contentHash ? accepted(event.id, 'duplicate') : refusedResult(reused(event.id), event.id)
  }
  return results
}

/** A refused member of a delivery as an event of its own, so that it is kept and shown. */
export function refusedItem(source: string, delivery: string, at: Instant, { path, code, reason, raw }: Refused): Observed {
  const fact = item.refused({ source, delivery, code, path, reason, raw })
  return { source, id: `refused/${delivery}/${path}`, subject: delivery, at, untimed: true, fact }
}
