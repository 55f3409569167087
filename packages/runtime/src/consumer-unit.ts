import type { Envelope, Tell } from '@rondo/kernel'
import type { Checkpoint, Ledger, ParkedRecord, Unit } from '@rondo/ledger'
import type { Ahead } from './in-flight.ts'
import { type Interest, raised, react, reactAtOnce } from './reaction-table.ts'
import { hashOf } from './request.ts'
import { activeTraceparent } from './trace.ts'

/** More tells than this are committed in steps before the one that moves the checkpoint. */
const mostTells = 500

const shown = ({ stream, id, rule, input }: Tell) => [stream.name, id, rule, input]

const causeOf = (event: Envelope) => ({
  at: event.occurredAt,
  actor: event.actor,
  correlationId: event.correlationId,
  causationId: event.id,
  traceparent: activeTraceparent() ?? event.traceparent,
})

/**
 * All but the last tells of a large fan-out, in units of their own. Each is known by what it says: after a restart
 * the steps that were done are duplicates, and one whose reaction now reads something else is told anew.
 */
async function steps(ledger: Pick<Ledger, 'submit'>, event: Envelope, tells: readonly Tell[]): Promise<readonly Tell[]> {
  let rest = tells
  while (rest.length > mostTells) {
    const part = rest.slice(0, mostTells)
    const hash = hashOf(...part.map(shown))
    await ledger.submit({ id: `${event.id}/${hash}`, hash, remember: true, messages: part, cause: causeOf(event) })
    rest = rest.slice(mostTells)
  }
  return rest
}

/** Of an intake event: what was sent under its id. Another content under the same id is a conflict. */
export const contentHash = ({ type, schemaVersion, data, occurredAt }: Envelope): string => hashOf(type, schemaVersion, data, occurredAt)

export interface Fact {
  readonly event: Envelope
  readonly interest: Interest | undefined
  readonly checkpoint: Checkpoint
  /** Of intake. */
  readonly hash: string | undefined
}
/** When it may read, and when it may stand behind what came before it in its partition. */
export interface Turn {
  readonly reading: <Result>(work: () => Promise<Result>) => Promise<Result>
  readonly ahead: Ahead
  readonly handOver: () => void
}

/** Runs the reactions to a fact and commits what they tell, with the views' rows and the checkpoint. */
export async function submitFact(
  ledger: Pick<Ledger, 'submit' | 'read'>,
  { event, interest, checkpoint, hash }: Fact,
  { reading, ahead, handOver }: Turn,
) {
  const again = async () => (interest ? react(interest, event, ledger.read) : [])
  const tells = interest?.reads ? await reading(again) : interest ? reactAtOnce(interest, event) : []
  // The steps of a fan-out are no part of the chain: they come after all before it
  const isLarge = tells.length > mostTells
  if (isLarge) await ahead.settled
  const unit: Unit = {
    id: event.id,
    hash: hash ?? event.id,
    remember: hash !== undefined,
    messages: isLarge ? await steps(ledger, event, tells) : tells,
    cause: causeOf(event),
    checkpoint,
    projections: interest?.projections.map((projection) => ({ projection, event })) ?? [],
    // Asked by the writer, which waits for it: steps of its own would wait for the writer
    again,
  }
  if (ahead.handed) await ahead.handed
  const applied = ledger.submit(unit)
  handOver()
  return applied
}

/** Moves the checkpoint and commits the given tells: for what was read and is of no interest, and for conflicts. */
export const submitTells = (ledger: Ledger, id: string, event: Envelope | undefined, tells: readonly Tell[], checkpoint: Checkpoint) =>
  ledger.submit({
    id,
    hash: id,
    remember: tells.length > 0,
    messages: tells,
    cause: event ? causeOf(event) : { actor: 'service:rondo', correlationId: id, causationId: id },
    checkpoint,
  })

/**
 * As `submitFact`, for a record that was parked: its checkpoint has been moved already, and it is taken away where it waits. Known by its
 * event; intake by its own id, under which it may come again. Without interest it only goes.
 */
export async function submitParked(
  ledger: Ledger,
  interest: Interest | undefined,
  record: ParkedRecord,
  { actor, why }: { readonly actor: string; readonly why: string },
) {
  const { source, partition, key, position } = record
  const event = interest ? raised(interest, record.event) : record.event
  const again = async () => (interest ? react(interest, event, ledger.read) : [])
  return ledger.submit({
    ...parkedName(record),
    remember: true,
    messages: await again(),
    cause: causeOf(event),
    parked: { source, partition, key, position, eventId: event.id, actor, why },
    projections: interest?.projections.map((projection) => ({ projection, event })) ?? [],
    again,
  })
}

const parkedName = ({ event, hash }: Pick<ParkedRecord, 'event' | 'hash'>): Pick<Unit, 'id' | 'hash'> =>
  event.stream === 'intake' ? { id: event.id, hash: hash ?? contentHash(event) } : { id: `${event.id}/parked`, hash: `${event.id}/parked` }
