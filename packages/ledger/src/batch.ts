import { DomainError } from '@rondo/kernel'
import { type Draft, type DraftEvent, decideUnit, draftOf, type Find, type UnitDecision } from './decision.ts'
import { Changed, type Changes, derive, type KeyRow, type TimerRow } from './derived.ts'
import { CheckpointGap, Defect } from './failure.ts'
import { chainOf, type Loaded } from './load.ts'
import type { Checkpoint, Noted, Retried, Unit } from './port.ts'
import type { LedgerRules } from './rules.ts'
import { keyOf, type StoredOutcome } from './storage.ts'
import type { Guess } from './store.ts'

export interface Work {
  readonly unit: Unit
  /** The due tell that the unit fires. */
  readonly timer?: TimerRow
}

/** How a unit will be answered once the batch is committed. */
export type Outcome =
  | { readonly kind: 'applied'; readonly decision: UnitDecision; readonly repeated?: number }
  | { readonly kind: 'duplicate'; readonly results: readonly { readonly streamId: string; readonly version: number }[] }
  | { readonly kind: 'rejected'; readonly error: Error }
  /** Decided again after this batch; `lostKey`: a unique key that another unit took first. */
  | { readonly kind: 'later'; readonly lostKey?: LostKey }

export interface LostKey {
  readonly name: string
  readonly value: string
  readonly holder: string
}

export interface CheckpointRow {
  readonly source: string
  readonly partition: number
  /** What must be stored; null: nothing. */
  readonly previous: number | null
  readonly position: number
  readonly next_offset: string
}

export interface Batch {
  readonly partitions: number
  readonly guess: Guess | undefined
  readonly outcomes: readonly Outcome[]
  /** Written streams with the version they must have now. */
  readonly streams: readonly (Draft & { readonly base: number })[]
  readonly events: readonly DraftEvent[]
  readonly derived: Changes
  readonly messages: readonly { readonly id: string; readonly hash: string; readonly days: number; readonly outcome: StoredOutcome }[]
  readonly checkpoints: readonly CheckpointRow[]
  readonly counted: readonly { readonly id: string; readonly duplicates: number; readonly conflicts: number }[]
  readonly fired: readonly TimerRow[]
  readonly parked: readonly Retried[]
}

/** How long an outcome is kept: asks and timers, and what came by a checkpoint (intake). */
const askDays = 7
const intakeDays = 30

const noOutcome: StoredOutcome = { results: [] }

const reused = (id: string): DomainError =>
  new DomainError('id_reused', `the id ${id} was used before with another content; the first stands`, { message_id: id })

/** Only what became of its id is asked: nothing is to be recorded under an id that nobody knows. */
const isQuestion = ({ remember, messages, checkpoint, noted, parked }: Unit): boolean =>
  remember && messages.length === 0 && !checkpoint && !noted && !parked

const forgotten = (id: string): DomainError =>
  new DomainError('conflict', `what became of ${id} is not known any more: nothing was done, the same again is safe`, { message_id: id })

export const parkedName = ({ source, partition, key, position }: Omit<Retried, 'eventId' | 'actor' | 'why'>): string =>
  JSON.stringify([source, partition, key, position])

export const uniqueName = ({ stream, name, value }: Pick<KeyRow, 'stream' | 'name' | 'value'>): string =>
  JSON.stringify([stream, name, value])

/** A batch while it is decided: what the units so far would leave. */
class Drafting {
  readonly drafts = new Map<string, Draft>()
  readonly events: DraftEvent[] = []
  readonly messages = new Map<string, { hash: string; days: number; outcome: StoredOutcome; refused?: DomainError }>()
  readonly checkpoints = new Map<string, Checkpoint>()
  readonly counted = new Map<string, { duplicates: number; conflicts: number }>()
  readonly fired: TimerRow[] = []
  readonly parked = new Map<string, Retried>()
  /** Partitions of which a unit was put off: what follows it has to wait too. */
  readonly held = new Set<string>()
  /** Unique keys of the streams touched so far, and who holds them. */
  readonly holders = new Map<string, string>()
  readonly loaded: Loaded
  readonly rules: LedgerRules

  constructor(loaded: Loaded, rules: LedgerRules) {
    this.loaded = loaded
    this.rules = rules
  }

  readonly find: Find = (stream, id, key) => {
    const refused = this.loaded.refused.get(key)
    if (refused) throw refused
    return this.drafts.get(key) ?? draftOf(stream, id, key, this.loaded)
  }

  decide(work: Work): Outcome {
    try {
      const chain = work.unit.checkpoint && chainOf(work.unit.checkpoint)
      const outcome = chain !== undefined && this.held.has(chain) ? ({ kind: 'later' } as const) : this.#decide(work)
      if (outcome.kind === 'later' && chain !== undefined) this.held.add(chain)
      return outcome
    } catch (error) {
      return {
        kind: 'rejected',
        error: known(error) ? error : new Defect(`unit ${work.unit.id} cannot be decided: ${error}`, { cause: error }),
      }
    }
  }

  #decide({ unit, timer }: Work): Outcome {
    if (this.#isBehind(unit)) return { kind: 'duplicate', results: [] }
    const seen = unit.remember ? this.#seen(unit) : undefined
    if (seen) return seen
    if (isQuestion(unit)) return { kind: 'rejected', error: forgotten(unit.id) }
    if (timer && !this.#isDue(timer)) return { kind: 'duplicate', results: [] }
    const noted = unit.noted && this.#told(unit.noted)
    const decision = decideUnit(unit, this.find, this.loaded, this.rules)
    const lostKey = this.#lostKey(decision)
    if (lostKey) return { kind: 'later', lostKey }
    this.#take(unit, decision, timer)
    if (decision.refused) return { kind: 'rejected', error: decision.refused }
    return noted ? { kind: 'applied', decision, repeated: this.#note(noted) } : { kind: 'applied', decision }
  }

  /** Whether the record was applied before; throws a CheckpointGap where records before it are missing. */
  #isBehind({ checkpoint }: Unit): boolean {
    if (!checkpoint) return false
    const chain = chainOf(checkpoint)
    const stored = this.checkpoints.get(chain)?.position ?? this.loaded.checkpoints.get(chain)
    if (stored !== undefined && checkpoint.position <= stored) return true
    if (stored === undefined ? checkpoint.previous > 0 : checkpoint.previous !== stored) {
      throw new CheckpointGap(checkpoint.source, checkpoint.partition, stored, checkpoint.previous)
    }
    return false
  }

  /** What became of the same id before, in the database or earlier in this batch. */
  #seen(unit: Unit): Outcome | undefined {
    const before = this.messages.get(unit.id) ?? this.loaded.messages.get(unit.id)
    if (!before) return undefined
    const same = before.hash === unit.hash
    const { duplicates, conflicts } = this.counted.get(unit.id) ?? { duplicates: 0, conflicts: 0 }
    this.counted.set(unit.id, { duplicates: duplicates + (same ? 1 : 0), conflicts: conflicts + (same ? 0 : 1) })
    if (!same) return { kind: 'rejected', error: reused(unit.id) }
    this.#takeFrom(unit)
    const { outcome } = before
    if ('results' in outcome) return { kind: 'duplicate', results: outcome.results }
    return { kind: 'rejected', error: new DomainError(outcome.refused.code, outcome.refused.message, outcome.refused.details) }
  }

  /** By id, how often each comes and with which hash. Throws where one has another hash than the first that came under its id. */
  #told(noted: readonly Noted[]): ReadonlyMap<string, { readonly hash: string; times: number }> {
    const told = new Map<string, { readonly hash: string; times: number }>()
    for (const { id, hash } of noted) {
      const own = told.get(id)
      const first = own ?? this.messages.get(id) ?? this.loaded.messages.get(id)
      if (first && first.hash !== hash) throw reused(id)
      if (own) own.times += 1
      else told.set(id, { hash, times: 1 })
    }
    return told
  }

  /** How many of them were known before. */
  #note(told: ReadonlyMap<string, { readonly hash: string; readonly times: number }>): number {
    let repeated = 0
    for (const [id, { hash, times }] of told) {
      const isKnown = this.messages.has(id) || this.loaded.messages.has(id)
      const again = isKnown ? times : times - 1
      if (!isKnown) this.messages.set(id, { hash, days: intakeDays, outcome: noOutcome })
      if (again === 0) continue
      const { duplicates, conflicts } = this.counted.get(id) ?? { duplicates: 0, conflicts: 0 }
      this.counted.set(id, { duplicates: duplicates + again, conflicts })
      repeated += again
    }
    return repeated
  }

  /** Whether the state, as it is now, still derives the timer. */
  #isDue({ stream: name, stream_id, tell, due }: TimerRow): boolean {
    const stream = this.rules.streams.get(name)
    if (!stream) return false
    const draft = this.find(stream, stream_id, keyOf(name, stream_id))
    return derive(stream, stream_id, draft).timers.some((timer) => timer.tell === tell && timer.due === due)
  }

  #lostKey({ drafts }: UnitDecision): LostKey | undefined {
    const keys: KeyRow[] = []
    for (const draft of drafts.values()) keys.push(...uniqueKeys(draft))
    if (keys.length === 0) return undefined
    const own = new Map<string, string>()
    for (const key of keys) {
      const name = uniqueName(key)
      const holder = own.get(name) ?? this.holders.get(name)
      // a holder that this very unit makes let go is none
      if (holder !== undefined && holder !== key.id && !lets(drafts, key, holder)) return { name: key.name, value: key.value, holder }
      own.set(name, key.id)
    }
    return undefined
  }

  #take(unit: Unit, { drafts, events, results, refused }: UnitDecision, timer: TimerRow | undefined): void {
    for (const [key, draft] of drafts) {
      const before = this.find(draft.stream, draft.id, key)
      for (const gone of unique(before)) this.holders.delete(gone)
      this.drafts.set(key, draft)
    }
    for (const draft of drafts.values()) for (const held of unique(draft)) this.holders.set(held, draft.id)
    this.events.push(...events)
    // A refusal that recorded nothing is not kept: a retry decides again.
    if (refused && events.length === 0) return
    this.#takeFrom(unit)
    if (timer) this.fired.push(timer)
    if (unit.remember) {
      const outcome = refused
        ? { refused: { code: refused.code, message: refused.message, details: refused.details } }
        : { results: results.map(({ streamId, version }) => ({ streamId, version })) }
      this.messages.set(unit.id, { hash: unit.hash, days: unit.checkpoint ? intakeDays : askDays, outcome })
    }
  }

  /** It is done with what it was read from. */
  #takeFrom({ checkpoint, parked }: Unit): void {
    if (checkpoint) this.checkpoints.set(chainOf(checkpoint), checkpoint)
    if (parked) this.parked.set(parkedName(parked), parked)
  }
}

const none: readonly KeyRow[] = []
const uniqueKeys = (draft: Draft): readonly KeyRow[] =>
  draft.version === 0 || !draft.stream.unique?.length
    ? none
    : derive(draft.stream, draft.id, draft).keys.filter(({ is_unique }) => is_unique)

const unique = (draft: Draft): readonly string[] => uniqueKeys(draft).map(uniqueName)

const lets = (drafts: ReadonlyMap<string, Draft>, key: KeyRow, holder: string): boolean => {
  const draft = drafts.get(keyOf(key.stream, holder))
  return draft !== undefined && !unique(draft).includes(uniqueName(key))
}

const known = (error: unknown): error is Error => error instanceof DomainError || error instanceof Defect || error instanceof CheckpointGap

/** Decides the units in their order, in memory. */
export function decideBatch(works: readonly Work[], loaded: Loaded, rules: LedgerRules): Batch {
  const drafting = new Drafting(loaded, rules)
  const outcomes = works.map((work) => drafting.decide(work))
  const drafts = [...drafting.drafts.entries()]
  const streams = drafts.map(([key, draft]) => ({ ...draft, base: loaded.streams.get(key)?.version ?? 0 }))
  const derived = new Changed()
  for (const [key, draft] of drafts) {
    const before = derive(draft.stream, draft.id, loaded.streams.get(key))
    derived.add(before, derive(draft.stream, draft.id, draft), draft.firstAt)
  }
  return {
    partitions: loaded.partitions,
    guess: loaded.guess && { ...loaded.guess, read: loaded.guess.read.filter(({ stream, id }) => !drafting.drafts.has(keyOf(stream, id))) },
    outcomes,
    streams,
    events: drafting.events,
    derived,
    messages: [...drafting.messages.entries()].map(([id, { hash, days, outcome }]) => ({ id, hash, days, outcome })),
    checkpoints: [...drafting.checkpoints.entries()].map(([chain, { source, partition, position, nextOffset }]) => ({
      source,
      partition,
      previous: loaded.checkpoints.get(chain) ?? null,
      position,
      next_offset: String(nextOffset),
    })),
    counted: [...drafting.counted.entries()].map(([id, counts]) => ({ id, ...counts })),
    fired: drafting.fired,
    parked: [...drafting.parked.values()],
  }
}
