import type { Clock } from '@rondo/bus'
import type { AnyStream, Instant } from '@rondo/kernel'
import { isEmpty } from './append.ts'
import type { Batch, Work } from './batch.ts'
import { chainOf, type Loaded } from './load.ts'
import type { Unit } from './port.ts'
import type { LedgerRules } from './rules.ts'
import { type Head, type HeadRow, keyOf, type Seen } from './storage.ts'
import type { ReadRow, Written } from './store.ts'
import { StoreClock } from './store-clock.ts'
import { Trust } from './trust.ts'

/** More units than this share a load well enough. */
const fewUnits = 16
/** Whoever reads more streams at once is about to write a large batch, or only shows them. */
const fewRead = 64
/** Streams that are remembered, and characters of a state that is. */
const [mostHeads, mostCharacters] = [256, 8_000]

/**
 * What this process knows of the ledger, or may guess, so that a small batch can be decided without a load: what it has read or written
 * last, and that what it has not seen is new where that came true before. It may be wrong: the append compares all that a batch rests on,
 * as after a load. Only what is written may rest on it, see `isHeld`.
 */
export class Known {
  readonly #rules: LedgerRules
  readonly #clock: StoreClock
  /** That a stream still is as it was seen, by its kind. */
  readonly #seen = new Trust(true)
  /** That a stream which was not seen is not there, by its kind. */
  readonly #unseen = new Trust(false)
  /** That an id was not written before. */
  readonly #ids = new Trust(true)
  /** By key, the one that was touched last at the end; undefined: it is not there. */
  readonly #heads = new Map<string, Head | undefined>()
  readonly #checkpoints = new Map<string, number>()
  #partitions: number | undefined

  constructor(clock: Clock, rules: LedgerRules) {
    this.#rules = rules
    this.#clock = new StoreClock(clock)
  }

  /** What the units can be decided on; undefined: they are to be loaded. */
  guess(works: readonly Work[]): Loaded | undefined {
    if (works.length > fewUnits || this.#partitions === undefined) return undefined
    const now = works.every(({ unit }) => unit.cause.at !== undefined) ? '' : this.#clock.now()
    if (now === undefined) return undefined
    const streams = new Map<string, Head>()
    const checkpoints = new Map<string, number>()
    const read = new Map<string, ReadRow>()
    for (const { unit } of works) {
      if (!this.#guessUnit(unit, checkpoints)) return undefined
      for (const { stream, id } of unit.messages) {
        const key = keyOf(stream.name, id)
        const head = this.#heads.get(key)
        if (!this.#isGuessed(stream, key) || (unit.cause.at === undefined && isAfter(head, now))) return undefined
        if (head) streams.set(key, head)
        read.set(key, { stream: stream.name, id, version: head?.version ?? 0, fold: stream.fold })
      }
    }
    const guess = { now: now || undefined, seen: distinct([...streams.values()]), read: [...read.values()] }
    return { now, partitions: this.#partitions, streams, refused: new Map(), messages: new Map(), checkpoints, guess }
  }

  /** What it needs beside its streams. */
  #guessUnit({ checkpoint, remember, noted }: Unit, checkpoints: Map<string, number>): boolean {
    if ((remember || noted) && !this.#ids.has('')) return false
    if (!checkpoint) return true
    const chain = chainOf(checkpoint)
    const position = this.#checkpoints.get(chain)
    if (position !== undefined) checkpoints.set(chain, position)
    return position !== undefined
  }

  #isGuessed(stream: AnyStream, key: string): boolean {
    return (this.#heads.has(key) ? this.#seen : this.#unseen).has(stream.name)
  }

  /** Streams as a query has found them: those of the keys that are not among them are not there. */
  found(keys: readonly string[], rows: readonly HeadRow[], seen: Seen): void {
    if (seen.recordedAt === null || keys.length > fewRead || rows.length > fewRead) return
    for (const row of rows) {
      const key = keyOf(row.stream, row.id)
      // What is written meanwhile may be told before what was read before
      const isNewer = row.version >= (this.#heads.get(key)?.version ?? 0)
      if (isNewer && this.#rules.streams.get(row.stream)?.fold === row.fold) this.#keep(key, { ...row, seen })
    }
    const there = new Set(rows.map(({ stream, id }) => keyOf(stream, id)))
    for (const key of keys) if (!there.has(key) && !this.#heads.has(key)) this.#keep(key, undefined)
  }

  /** How things stood when the units were loaded: learns from it how well it would have guessed. */
  loaded(units: readonly Unit[], loaded: Loaded): void {
    const { now, partitions, streams, refused, messages, checkpoints } = loaded
    this.#partitions = partitions
    this.#clock.told(now)
    for (const { id, remember, noted, checkpoint, messages: touching } of units) {
      if (remember) this.#ids.saw('', !messages.has(id))
      if (noted) this.#ids.saw('', !noted.some((one) => messages.has(one.id)))
      if (checkpoint) this.#setCheckpoint(chainOf(checkpoint), checkpoints.get(chainOf(checkpoint)))
      for (const { stream, id } of touching) {
        const key = keyOf(stream.name, id)
        const head = streams.get(key)
        const trust = this.#heads.has(key) ? this.#seen : this.#unseen
        trust.saw(stream.name, !refused.has(key) && (head?.version ?? 0) === (this.#heads.get(key)?.version ?? 0))
        this.#heads.delete(key)
      }
    }
    if (units.length <= fewUnits) this.#keepLoaded(units, loaded)
  }

  /** What is written in large batches is not worth keeping. */
  #keepLoaded(units: readonly Unit[], { streams, refused, seen }: Loaded): void {
    if (!seen || seen.recordedAt === null) return
    for (const { stream, id } of units.flatMap(({ messages }) => messages)) {
      const key = keyOf(stream.name, id)
      const head = streams.get(key)
      if (!refused.has(key)) this.#keep(key, head && { ...head, seen })
    }
  }

  /** What stands in the ledger now. */
  wrote(works: readonly Work[], { streams, events, checkpoints }: Batch, { position, recordedAt, before }: Written): void {
    if (before) this.#clock.heard(recordedAt)
    for (const { source, partition, position } of checkpoints) this.#setCheckpoint(chainOf({ source, partition }), position)
    const isKept = before !== undefined && works.length <= fewUnits
    for (const { stream, id, version, fold, state, firstAt, lastAt } of streams) {
      const key = keyOf(stream.name, id)
      if (!isKept) this.#heads.delete(key)
      else {
        const seen = { position: position + events.length, recordedAt, repaired: before.repaired }
        this.#keep(key, { version, fold, state, phase: null, firstAt, lastAt, seen })
      }
    }
  }

  #setCheckpoint(chain: string, position: number | undefined): void {
    if (position === undefined) this.#checkpoints.delete(chain)
    else this.#checkpoints.set(chain, position)
  }

  #keep(key: string, head: Head | undefined): void {
    this.#heads.delete(key)
    if (head && !isWithin(head.state, mostCharacters)) return
    this.#heads.set(key, head)
    if (this.#heads.size > mostHeads) for (const oldest of this.#heads.keys()) return void this.#heads.delete(oldest)
  }
}

/** Whether the append compares all that the outcomes rest on. A refusal, a repetition, a gap are no append's: what they rest on has to be loaded. */
export const isHeld = (batch: Batch): boolean => !isEmpty(batch) && batch.outcomes.every(({ kind }) => kind === 'applied')

/** What happens now comes after all that its stream has seen, as it does by a clock that is asked now. */
const isAfter = (head: Head | undefined, now: Instant): boolean => head !== undefined && head.lastAt >= now

/** Of heads that were read together one. */
const distinct = (heads: readonly Head[]): readonly Seen[] => [
  ...new Map(heads.flatMap(({ seen }) => (seen ? [[JSON.stringify(seen), seen] as const] : []))).values(),
]

/** Whether it takes at most so many characters, roughly; looks no further than that. */
function isWithin(value: unknown, most: number): boolean {
  let left = most
  const walk = (one: unknown): boolean => {
    left -= typeof one === 'string' ? one.length : 8
    if (left < 0 || typeof one !== 'object' || one === null) return left >= 0
    for (const [name, inner] of Object.entries(one)) {
      left -= name.length
      if (!walk(inner)) return false
    }
    return true
  }
  return walk(value)
}
