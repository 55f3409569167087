import type { Envelope, Tell } from '@rondo/kernel'
import { type Applied, type Checkpoint, CheckpointGap, type Ledger, type Noted, type ParkedRecord, type Unit } from '@rondo/ledger'
import type { Turn } from './in-flight.ts'
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
type Submitting = Pick<Ledger, 'submit' | 'guessing'>

/** Runs the reactions to a fact and commits what they tell, with the views' rows and the checkpoint. */
export function submitFact(ledger: Submitting, fact: Fact, turn: Turn): Promise<Applied> {
  const { event, interest } = fact
  // Most read nothing, and come to the writer without a promise of their own
  if (!interest?.reads) {
    const tells = interest ? reactAtOnce(interest, event) : []
    return submitTold(ledger, fact, tells, turn, { again: async () => tells })
  }
  const guessing = ledger.guessing(event.type)
  const again = () => react(interest, event, guessing.again)
  return react(interest, event, guessing.read).then((tells) => {
    const rests = guessing.rests()
    // Of a fan-out only the last step would compare it
    if (rests && tells.length > mostTells) return again().then((told) => submitTold(ledger, fact, told, turn, { again }))
    return submitTold(ledger, fact, tells, turn, rests ? { again, rests } : { again })
  })
}

/** `again` is asked by the writer, which waits for it: steps of its own would wait for the writer. */
type Reading = Pick<Unit, 'again' | 'rests'>

function submitTold(ledger: Submitting, fact: Fact, tells: readonly Tell[], turn: Turn, reading: Reading): Promise<Applied> {
  return tells.length > mostTells ? submitLarge(ledger, fact, tells, turn, reading) : inTurn(ledger, unitOf(fact, tells, reading), turn)
}

/** The steps of a fan-out are no part of the chain: they come after all before it. */
async function submitLarge(ledger: Submitting, fact: Fact, tells: readonly Tell[], turn: Turn, reading: Reading): Promise<Applied> {
  await turn.ahead.settled
  return inTurn(ledger, unitOf(fact, await steps(ledger, fact.event, tells), reading), turn)
}

function unitOf({ event, interest, checkpoint, hash }: Fact, messages: readonly Tell[], reading: Reading): Unit {
  return {
    id: event.id,
    hash: hash ?? event.id,
    remember: hash !== undefined,
    messages,
    cause: causeOf(event),
    checkpoint,
    projections: projecting(interest, event),
    ...reading,
  }
}

function inTurn(ledger: Pick<Ledger, 'submit'>, unit: Unit, turn: Turn): Promise<Applied> {
  const { handed } = turn.ahead
  if (handed) return handed.then(() => handedOver(ledger, unit, turn))
  return handedOver(ledger, unit, turn)
}

function handedOver(ledger: Pick<Ledger, 'submit'>, unit: Unit, turn: Turn): Promise<Applied> {
  const applied = ledger.submit(unit)
  turn.handOver()
  return applied
}

const nothing: NonNullable<Unit['projections']> = []

const projecting = (interest: Interest | undefined, event: Envelope): NonNullable<Unit['projections']> =>
  interest && interest.projections.length > 0 ? interest.projections.map((projection) => ({ projection, event })) : nothing

/** Moves the checkpoint, and what has no other effect is known by its id from then on. */
export function submitNoted(ledger: Pick<Ledger, 'submit'>, noted: readonly Noted[], checkpoint: Checkpoint, turn: Turn): Promise<Applied> {
  const { source, partition, position } = checkpoint
  const id = `${source}/${partition}/${position}`
  const cause = { actor: 'service:rondo', correlationId: id, causationId: id }
  return inTurn(ledger, { id, hash: id, remember: false, messages: [], cause, checkpoint, noted }, turn)
}

/** Its place in the chain may have been open only because what is ahead of it was not accepted at once: then once more, when that is stored. */
export async function inItsPlace<Result>(turn: Turn, submit: () => Promise<Result>): Promise<Result> {
  try {
    return await submit()
  } catch (error) {
    await turn.ahead.settled
    if (!(error instanceof CheckpointGap)) throw error
    return submit()
  }
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
    projections: projecting(interest, event),
    again,
  })
}

const parkedName = ({ event, hash }: Pick<ParkedRecord, 'event' | 'hash'>): Pick<Unit, 'id' | 'hash'> =>
  event.stream === 'intake' ? { id: event.id, hash: hash ?? contentHash(event) } : { id: `${event.id}/parked`, hash: `${event.id}/parked` }
