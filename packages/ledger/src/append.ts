import { isDeepStrictEqual } from 'node:util'
import type { Envelope } from '@rondo/kernel'
import type { Projection } from '@rondo/reaction'
import type { Batch, Outcome, Work } from './batch.ts'
import { failureOf } from './failure.ts'
import type { LedgerRules } from './rules.ts'
import type { AppendRows, Fresh, Lost, Store, Written } from './store.ts'

export const isEmpty = ({ streams, messages, checkpoints, counted, fired, parked }: Batch): boolean =>
  streams.length + messages.length + checkpoints.length + counted.length + fired.length + parked.length === 0

/** Absent where there is nothing: its part of the statement is passed over. */
const some = <T>(rows: readonly T[]): readonly T[] | undefined => (rows.length > 0 ? rows : undefined)

/**
 * Whether somebody may rest on it. What holds no event, and was read from the bus with a checkpoint that moves with it, is read from there
 * once more where it is lost.
 */
const isDurable = (works: readonly Work[], { streams, events, fired }: Batch): boolean =>
  streams.length + events.length + fired.length > 0 ||
  works.some(({ unit: { checkpoint, beside, projections = [] } }) => !checkpoint || beside !== undefined || projections.length > 0)

function rowsOf(works: readonly Work[], batch: Batch): AppendRows {
  const { partitions, guess, streams, events, derived, messages, checkpoints, counted, fired, parked } = batch
  const heads = streams.map(({ stream, id, base, version, fold, state, firstAt, lastAt }) => ({
    stream: stream.name,
    id,
    base,
    version,
    fold,
    state,
    phase: stream.phase?.(state),
    first_at: firstAt,
    last_at: lastAt,
  }))
  const folds = Object.fromEntries(streams.map(({ stream }) => [stream.name, stream.fold]))
  const { keys, keys_gone, timers, timers_gone, loops } = derived
  return {
    durable: isDurable(works, batch),
    streams: some(heads),
    events: some(events),
    derived: {
      partitions,
      folds,
      guess: guess && { now: guess.now, seen: some(guess.seen), read: some(guess.read), held: some(guess.held) },
      keys: some(keys),
      keys_gone: some(keys_gone),
      timers: some(timers),
      timers_gone: some(timers_gone),
      loops: some(loops),
    },
    intake: { messages: some(messages), checkpoints: some(checkpoints), counted: some(counted), fired: some(fired), parked: some(parked) },
  }
}

export function envelopesOf(events: Batch['events'], { position, recordedAt }: Written): readonly Envelope[] {
  return events.map((event, index) => ({ ...event, position: position + index + 1, recordedAt }))
}

/** What was written, as the relay would read it. Undefined where only the ledger can say what stands before it. `at`: when it was asked for. */
export function freshOf(events: readonly Envelope[], { before }: Written, at: number): Fresh | undefined {
  if (!before) return undefined
  const tails = [...before.tails]
  const batch = events.map((event) => {
    const previous = tails[event.partition] ?? 0
    tails[event.partition] = event.position
    return { event, previous }
  })
  // The first of a larger plan in their partitions name the ends of the plan before
  if (batch.some(({ previous }) => previous <= before.planned)) return undefined
  const { epoch, incarnation, marked, recordedAt } = before
  return { at, batch, epoch, incarnation, marked, behind: recordedAt ?? undefined }
}

interface Projecting {
  readonly projection: Projection
  readonly event: Envelope
}

function projecting(works: readonly Work[], batch: Batch, rules: LedgerRules): (written: Written) => readonly Projecting[] {
  const foreign = works.flatMap(({ unit }, index) => (applies(batch.outcomes[index]) ? (unit.projections ?? []) : []))
  return (written) => [
    ...foreign,
    ...envelopesOf(batch.events, written).flatMap((event) =>
      (rules.projections.get(event.type) ?? []).map((projection) => ({ projection, event })),
    ),
  ]
}

/** What stands next to each other and is projected by one rule. */
function runsOf(all: readonly Projecting[]): readonly { readonly projection: Projection; readonly events: readonly Envelope[] }[] {
  const runs: { projection: Projection; events: Envelope[] }[] = []
  for (const { projection, event } of all) {
    const last = runs.at(-1)
    if (last?.projection === projection) last.events.push(event)
    else runs.push({ projection, events: [event] })
  }
  return runs
}

const applies = (outcome: Outcome | undefined): boolean => outcome?.kind === 'applied'

/** One statement is the whole transaction, unless views are to be projected, or rows written beside the events, in it. */
export async function append(store: Store, works: readonly Work[], batch: Batch, rules: LedgerRules): Promise<Written> {
  const hasOwn = rules.projections.size > 0 && batch.events.some(({ type }) => rules.projections.has(type))
  const hasForeign = works.some(({ unit }, index) => unit.projections?.length && applies(batch.outcomes[index]))
  const beside = works.flatMap(({ unit }, index) => (unit.beside && applies(batch.outcomes[index]) ? [unit.beside] : []))
  if (!hasOwn && !hasForeign && beside.length === 0) return store.append(rowsOf(works, batch))
  const project = projecting(works, batch, rules)
  return store.append(rowsOf(works, batch), async (sql, written) => {
    for (const { projection, events } of runsOf(project(written))) {
      if (projection.applyAll && events.length > 1) await projection.applyAll(sql, events)
      else for (const event of events) await projection.apply(sql, event)
    }
    for (const write of beside) await write(sql)
  })
}

/** What the statement was refused for; undefined: something else failed. */
export function lostOf(error: unknown): Lost | undefined {
  if (failureOf(error) !== 'lost' || !(error instanceof Error) || !('detail' in error)) return undefined
  return JSON.parse(String(error.detail))
}

/**
 * After a lost reply: whether the batch was committed. All of it has to be there: a unit has the same events whoever writes it (a timer that
 * another process fired, a message that its caller sent there too), so that one of them says nothing of those beside it.
 */
export async function findWritten(store: Store, batch: Batch): Promise<Written | undefined> {
  const written = await findEvents(store, batch)
  return written && (await hasMessages(store, batch)) && (await hasCheckpoints(store, batch)) && (await hasRetried(store, batch))
    ? written
    : undefined
}

async function findEvents(store: Store, { events }: Batch): Promise<Written | undefined> {
  const [first] = events
  if (!first) return { position: 0, recordedAt: '' }
  const found = await store.findEvent(first)
  if (!found) return undefined
  const position = found.position - 1
  const there = await store.eventsAfter(position, events.length, undefined)
  // What another process made of the same unit has the same ids, and perhaps other versions
  return events.every(({ id, version }, n) => there[n]?.id === id && there[n].version === version)
    ? { position, recordedAt: found.recordedAt }
    : undefined
}

async function hasMessages(store: Store, { messages }: Batch): Promise<boolean> {
  if (messages.length === 0) return true
  const known = await store.findMessages(messages.map(({ id }) => id))
  // Whoever wrote the same message before may have come to something else, and that is what its caller was told
  return messages.every(({ id, hash, outcome }) => {
    const stored = known.get(id)
    return stored?.hash === hash && isDeepStrictEqual(stored.outcome, JSON.parse(JSON.stringify(outcome)))
  })
}

async function hasCheckpoints(store: Store, { checkpoints }: Batch): Promise<boolean> {
  for (const { source, partition, position } of checkpoints) {
    const stored = await store.checkpoint(source, partition)
    if (!stored || stored.position < position) return false
  }
  return true
}

async function hasRetried(store: Store, { parked }: Batch): Promise<boolean> {
  for (const record of parked) if (!(await store.wasApplied(record))) return false
  return true
}
