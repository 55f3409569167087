import { partitionOf } from '@rondo/bus'
import {
  type AnyStream,
  type Context,
  DomainError,
  decide,
  type Envelope,
  evolve,
  type Fact,
  type FactType,
  type Message,
} from '@rondo/kernel'
import { type Deriving, derive, loopIds } from './derived.ts'
import { eventId } from './event-id.ts'
import { Defect } from './failure.ts'
import type { Loaded } from './load.ts'
import type { Unit } from './port.ts'
import type { LedgerRules, RecordBound } from './rules.ts'
import { storable, storableId } from './storable.ts'
import { type Head, keyOf } from './storage.ts'

/** A stream while a batch is decided. `version` 0: does not exist. */
export interface Draft extends Omit<Head, 'phase' | 'seen'>, Deriving {
  readonly stream: AnyStream
  readonly id: string
}

/** An event without what the append gives it. */
export type DraftEvent = Omit<Envelope, 'position' | 'recordedAt'>

export interface UnitDecision {
  readonly drafts: ReadonlyMap<string, Draft>
  readonly events: readonly DraftEvent[]
  readonly results: readonly { readonly streamId: string; readonly version: number; readonly events: readonly DraftEvent[] }[]
  readonly refused?: DomainError
}

/** `key`: `keyOf` of both; each new text of it has to be hashed again. */
export type Find = (stream: AnyStream, id: string, key: string) => Draft

export function draftOf(stream: AnyStream, id: string, key: string, loaded: Loaded): Draft {
  const head = loaded.streams.get(key)
  return head
    ? { ...head, stream, id }
    : { stream, id, version: 0, fold: stream.fold, state: stream.initial, firstAt: '', lastAt: '', derived: undefined }
}

/** Decides one unit, message by message, each on what those before it left. Throws where it cannot be stored at all. */
export function decideUnit(unit: Unit, find: Find, loaded: Loaded, rules: LedgerRules): UnitDecision {
  const drafts = new Map<string, Draft>()
  const results = new Array<UnitDecision['results'][number]>(unit.messages.length)
  for (const [n, message] of unit.messages.entries()) {
    const key = keyOf(message.stream.name, message.id)
    const first = find(streamOf(message, rules), message.id, key)
    const outcome = decideMessage(unit, message, drafts.get(key) ?? first, first.version, key, loaded, rules)
    if (outcome.refused) return { ...refusal(message, unit, find, loaded, rules, outcome.refused), refused: outcome.refused }
    if (outcome.events.length > 0) drafts.set(key, outcome.draft)
    results[n] = { streamId: message.id, version: outcome.draft.version, events: outcome.events }
  }
  // Nearly all units have one message, and this is run for each
  const [only] = results
  return { drafts, events: only && results.length === 1 ? only.events : results.flatMap(({ events }) => events), results }
}

/** A refused unit leaves the refusal's facts alone, on the state before the unit. */
function refusal(message: Message, unit: Unit, find: Find, loaded: Loaded, rules: LedgerRules, refused: DomainError) {
  const key = keyOf(message.stream.name, message.id)
  const before = find(message.stream, message.id, key)
  const { draft, events } = appended(unit, before, before.version, key, refused.record, contextOf(unit, message, loaded), loaded, rules)
  return { drafts: new Map(events.length > 0 ? [[key, draft]] : []), events, results: [] }
}

function streamOf({ stream, id }: Message, rules: LedgerRules): AnyStream {
  if (rules.streams.get(stream.name) !== stream) throw new Defect(`${rules.service} has no stream "${stream.name}"`)
  storableId(id, `the id of a ${stream.name}`)
  return stream
}

const contextOf = (unit: Unit, { id }: Message, loaded: Loaded): Context => ({
  at: unit.cause.at ?? loaded.now,
  actor: unit.cause.actor,
  messageId: unit.id,
  streamId: id,
})

function decideMessage(unit: Unit, message: Message, before: Draft, version: number, key: string, loaded: Loaded, rules: LedgerRules) {
  const context = contextOf(unit, message, loaded)
  let decision: ReturnType<typeof decide>
  try {
    decision = decide(message, before.state, context)
  } catch (error) {
    throw new Defect(
      `${message.kind} ${message.rule} of ${message.stream.name} ${message.id} threw: ${error instanceof Error ? error.message : error}`,
      { cause: error },
    )
  }
  if (decision.refused) return { draft: before, events: [], refused: decision.refused }
  return { ...appended(unit, before, version, key, decision.facts, context, loaded, rules), refused: undefined }
}

/** `version`: of the stream before the unit, from which its events are counted. */
function appended(
  unit: Unit,
  before: Draft,
  version: number,
  key: string,
  facts: readonly Fact[],
  context: Context,
  loaded: Loaded,
  rules: LedgerRules,
) {
  const { stream, id } = before
  const { correlationId, causationId, traceparent } = unit.cause
  let draft = before
  const events = facts.map((fact) => {
    const { type, data, text } = checkedFact(stream, fact, rules)
    const eventIdentity = eventId(unit.id, stream.name, id, draft.version + 1 - version)
    draft = evolved(draft, fact.verb, data, { id: eventIdentity, at: context.at, actor: context.actor })
    const event: DraftEvent = {
      id: eventIdentity,
      stream: stream.name,
      streamId: id,
      version: draft.version,
      partition: partitionOf(key, loaded.partitions),
      type: type.base,
      schemaVersion: type.version,
      data,
      occurredAt: context.at,
      actor: context.actor,
      correlationId,
      causationId,
      loopIds: loopIds(stream, id, draft.state),
    }
    const traced = traceparent === undefined ? event : { ...event, traceparent }
    if (rules.record) refuseLarger(traced, text, rules.record)
    return traced
  })
  if (events.length > 0) checkState(draft, rules)
  return { draft, events }
}

function evolved(draft: Draft, verb: string, data: unknown, occurrence: { id: string; at: string; actor: string }): Draft {
  const { at } = occurrence
  const { stream, id } = draft
  return {
    stream,
    id,
    version: draft.version + 1,
    fold: stream.fold,
    state: evolve(stream, draft.state, verb, data, occurrence),
    firstAt: draft.version === 0 ? at : draft.firstAt,
    // biome-ignore lint/complexity/useMathMinMax: both are text
    lastAt: draft.lastAt > at ? draft.lastAt : at,
    // What is derived from the state before is not from this one
    derived: undefined,
  }
}

/** Bytes around the data of a record: of names and numbers, and of a character in its longest form. */
const [namesBytes, characterBytes] = [2_000, 9]

/** What the bus would not take must not be recorded: nothing behind it could be sent. */
function refuseLarger(event: DraftEvent, data: string, { topic, limit, bytesOf }: RecordBound): void {
  const { streamId, actor, correlationId, causationId, loopIds } = event
  const texts = loopIds.reduce(
    (sum, id) => sum + id.length + 1,
    2 * streamId.length + actor.length + correlationId.length + causationId.length,
  )
  // Nearly all are far below, and need not be made to know it
  const most = limit()
  if (data.length * 3 + namesBytes + texts * characterBytes <= most) return
  const bytes = bytesOf(event)
  if (bytes <= most) return
  const what = `${event.type} of ${event.stream} ${streamId}`
  throw new DomainError('too_large', `${what} takes ${bytes} bytes as a record; ${topic} takes ${most}`, { topic, bytes, limit: most })
}

/** The data as they will be read back: parsed by their schema, and as JSON. */
function checkedFact(stream: AnyStream, fact: Fact, rules: LedgerRules): { type: FactType; data: unknown; text: string } {
  const type: FactType | undefined = stream.facts[fact.verb]
  if (type?.type !== fact.type) throw new Defect(`${stream.name} has no fact ${fact.type}`)
  const parsed = type.schema.safeParse(fact.data)
  if (!parsed.success) {
    const issues = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'data'}: ${message}`).join('; ')
    throw new Defect(`${fact.type} of ${stream.name} does not fit its schema: ${issues}`)
  }
  const text = storable(parsed.data, fact.type, rules.maxEventBytes)
  return { type, data: JSON.parse(text), text }
}

/** Everything derived can be derived and stored: better this unit fails now than the batch. */
function checkState(draft: Draft, rules: LedgerRules): void {
  storable(draft.state, `the state of ${draft.stream.name} ${draft.id}`, rules.maxEventBytes)
  for (const { value, name } of derive(draft.stream, draft.id, draft).keys) {
    if (typeof value !== 'string' || !value.isWellFormed() || value.includes('\0'))
      throw new Defect(`the key ${name} of ${draft.stream.name} ${draft.id} is not text`)
  }
}
