import type { Clock } from '@rondo/bus'
import type { Instant } from '@rondo/kernel'
import { isEmpty } from './append.ts'
import { type Batch, uniqueName, type Work } from './batch.ts'
import { Heads } from './heads.ts'
import { Holders } from './holders.ts'
import { chainOf, type Loaded } from './load.ts'
import type { Unit } from './port.ts'
import type { Rests } from './rests.ts'
import type { LedgerRules } from './rules.ts'
import { type Head, type HeadRow, keyOf, type Seen } from './storage.ts'
import type { FoundRows, HeldBy, ReadRow, Sought, Written } from './store.ts'
import { StoreClock } from './store-clock.ts'
import { GuessWindow, Trust } from './trust.ts'

/** Whoever reads more streams at once is about to write a large batch, or only shows them. */
const fewRead = 64

/** Who asks for what: what comes true for one need not for another. */
export interface Asked extends Sought {
  readonly asker: string
}
type Message = Unit['messages'][number]

const kindOf = ({ stream, rule }: Message): string => `${stream.name} ${rule}`

/** Of each stream the first that it is told: whether it was there before. */
const firstOfEach = (messages: readonly Message[]): Iterable<Message> =>
  messages.length < 2 ? messages : new Map(messages.toReversed().map((one) => [keyOf(one.stream.name, one.id), one])).values()

/**
 * What this process knows of the ledger, or may guess, so that a small batch can be decided without a load: what it has read or written
 * last, and that what it has not seen is new where that came true before. It may be wrong: the append compares all that a batch rests on,
 * as after a load. Only what is written may rest on it, see `isHeld`.
 */
export class Known {
  readonly #rules: LedgerRules
  readonly #clock: StoreClock
  readonly #turn: Clock['turn']
  /** That a stream still is as it was seen, by its kind and what it is told. */
  readonly #seen = new Trust(true)
  /** That a stream which was not seen is not there, by its kind and what it is told: some tells begin a stream, others go on with one. */
  readonly #unseen = new Trust(false)
  /** The same of streams that are read, by who asks. */
  readonly #reread = new Trust(true)
  readonly #unread = new Trust(false)
  readonly #holders = new Holders()
  /** That an id was not written before. */
  readonly #ids = new Trust(true)
  readonly #window = new GuessWindow()
  readonly #heads = new Heads()
  readonly #checkpoints = new Map<string, number>()
  #partitions: number | undefined
  /** Reactions that were let guess within this turn of the event loop. */
  #guessing = 0

  constructor(clock: Clock, rules: LedgerRules) {
    this.#rules = rules
    this.#clock = new StoreClock(clock)
    const turn = () => clock.turn()
    this.#turn = turn
  }

  /** What the units can be decided on; undefined: they are to be loaded. */
  guess(works: readonly Work[]): Loaded | undefined {
    if (works.length > this.#window.size || this.#partitions === undefined) return undefined
    const now = works.every(({ unit }) => unit.cause.at !== undefined) ? '' : this.#clock.now()
    if (now === undefined) return undefined
    const streams = new Map<string, Head>()
    const checkpoints = new Map<string, number>()
    const rests = works.flatMap(({ unit }) => unit.rests ?? [])
    const read = new Map(rests.flatMap(({ read }) => read.map((row) => [keyOf(row.stream, row.id), row] as const)))
    const held = new Map(rests.flatMap(({ held }) => held.map((one) => [uniqueName(one), one] as const)))
    for (const { unit } of works) {
      if (!this.#guessUnit(unit, checkpoints)) return undefined
      for (const message of firstOfEach(unit.messages)) {
        const { stream, id } = message
        const key = keyOf(stream.name, id)
        const head = this.#heads.get(key)
        if (!this.#isGuessed(message, key) || (unit.cause.at === undefined && isAfter(head, now))) return undefined
        if (head) streams.set(key, head)
        read.set(key, { stream: stream.name, id, version: head?.version ?? 0, fold: stream.fold })
      }
    }
    const seen = distinct([...[...streams.values()].map(({ seen }) => seen), ...rests.flatMap(({ seen }) => seen)])
    const guess = { now: now || undefined, seen, read: [...read.values()], held: [...held.values()] }
    return { now, partitions: this.#partitions, streams, refused: new Map(), messages: new Map(), checkpoints, guess }
  }

  /** What it needs beside its streams. */
  #guessUnit({ checkpoint, remember, noted, rests }: Unit, checkpoints: Map<string, number>): boolean {
    if (((remember || noted) && !this.#ids.has('')) || (rests && !this.#isStill(rests))) return false
    if (!checkpoint) return true
    const chain = chainOf(checkpoint)
    const position = this.#checkpoints.get(chain)
    if (position !== undefined) checkpoints.set(chain, position)
    return position !== undefined
  }

  /** Nothing is known by now that says otherwise: what two units rest on is the same, and so is what they are decided on. */
  #isStill({ read, held }: Rests): boolean {
    return (
      read.every(({ stream, id, version }) => (this.#heads.get(keyOf(stream, id))?.version ?? 0) === version) &&
      held.every((one) => this.#holders.isStill(one))
    )
  }

  #isGuessed(message: Message, key: string): boolean {
    return (this.#heads.has(key) ? this.#seen : this.#unseen).has(kindOf(message))
  }

  /** Whether a reaction is to guess what it reads: of many that come at once the batch is loaded, and they would only read again. */
  letsGuess(): boolean {
    if (this.#guessing++ === 0) void this.#turn().then(() => this.#begin())
    return this.#guessing <= this.#window.size
  }

  #begin(): void {
    this.#guessing = 0
  }

  /** What a query would find, as far as it can be told without it; undefined: it is to be asked. `rests`: what has to be compared. */
  answer({ asker, keys, held }: Asked): (Pick<FoundRows, 'rows'> & { readonly rests: Rests }) | undefined {
    const holding: HeldBy[] = []
    for (const one of held) {
      const ids = this.#holders.guess(asker, one)
      if (!ids) return undefined
      holding.push({ ...one, ids })
    }
    const holders = holding.flatMap(({ stream, ids }) => ids.map((id) => keyOf(stream, id)))
    const rows: HeadRow[] = []
    const read: ReadRow[] = []
    for (const key of new Set([...keys, ...holders].sort())) {
      const head = this.#heads.get(key)
      const [stream, id] = partsOf(key)
      const fold = this.#rules.streams.get(stream)?.fold
      if (fold === undefined || !(this.#heads.has(key) ? this.#reread : this.#unread).has(`${asker} ${stream}`)) return undefined
      if (head) rows.push({ ...head, stream, id })
      read.push({ stream, id, version: head?.version ?? 0, fold })
      if (!this.#heads.has(key)) this.#heads.keep(key, undefined)
    }
    // Whoever holds a value is there: it is the state that is not known
    const there = new Set(rows.map(({ stream, id }) => keyOf(stream, id)))
    if (!holders.every((key) => there.has(key))) return undefined
    return { rows, rests: { read, held: holding, seen: distinct(rows.map(({ seen }) => seen)) } }
  }

  /** Streams as one query has found them for all who asked: those of the keys that are not among them are not there. Learns how well it would have guessed. */
  found(asked: readonly Asked[], { rows, holders, seen }: FoundRows): void {
    const size = asked.reduce((sum, { keys, held }) => sum + keys.length + held.length, 0)
    if (seen.recordedAt === null || size > fewRead || rows.length > fewRead) return
    const there = new Map(rows.map((row) => [keyOf(row.stream, row.id), row]))
    let place = 0
    for (const { asker, keys, held } of asked) {
      for (const one of held) this.#holders.found(asker, one, (holders[place++] ?? []).map(idOf))
      for (const key of keys) this.#learn(asker, key, there.get(key)?.version ?? 0)
    }
    for (const [key, row] of there) {
      // What is written meanwhile may be told before what was read before
      const isNewer = row.version >= (this.#heads.get(key)?.version ?? 0)
      if (isNewer && this.#rules.streams.get(row.stream)?.fold === row.fold) this.#heads.keep(key, { ...row, seen })
    }
    for (const key of asked.flatMap(({ keys }) => keys)) if (!there.has(key) && !this.#heads.has(key)) this.#heads.keep(key, undefined)
  }

  /** Whether so many units, decided on a guess, could be written. */
  guessed(units: number, isWritten: boolean): void {
    this.#window.saw(units, isWritten)
  }

  /** How things stood when the units were loaded: learns from it how well it would have guessed. */
  loaded(units: readonly Unit[], loaded: Loaded): void {
    const { now, partitions, streams, refused, messages, checkpoints } = loaded
    this.#partitions = partitions
    this.#clock.told(now)
    let isTrue = true
    const saw = (trust: Trust, kind: string, came: boolean) => {
      isTrue &&= came
      trust.saw(kind, came)
    }
    for (const { id, remember, noted, checkpoint, messages: touching } of units) {
      if (remember) saw(this.#ids, '', !messages.has(id))
      if (noted) saw(this.#ids, '', !noted.some((one) => messages.has(one.id)))
      if (checkpoint) this.#setCheckpoint(chainOf(checkpoint), checkpoints.get(chainOf(checkpoint)))
      for (const message of firstOfEach(touching)) {
        const key = keyOf(message.stream.name, message.id)
        const head = streams.get(key)
        const trust = this.#heads.has(key) ? this.#seen : this.#unseen
        saw(trust, kindOf(message), !refused.has(key) && (head?.version ?? 0) === (this.#heads.get(key)?.version ?? 0))
        this.#heads.forget(key)
      }
    }
    // What comes otherwise may do so as it was forgotten: nobody has paid for it
    if (isTrue) this.#window.saw(units.length, true)
    if (units.length <= this.#window.size) this.#keepLoaded(units, loaded)
  }

  /** What is written in large batches is not worth keeping. */
  #keepLoaded(units: readonly Unit[], { streams, refused, seen }: Loaded): void {
    if (!seen || seen.recordedAt === null) return
    for (const { stream, id } of units.flatMap(({ messages }) => messages)) {
      const key = keyOf(stream.name, id)
      const head = streams.get(key)
      if (!refused.has(key)) this.#heads.keep(key, head && { ...head, seen })
    }
  }

  /** What stands in the ledger now. */
  wrote(works: readonly Work[], { streams, events, checkpoints, derived }: Batch, { position, recordedAt, before }: Written): void {
    if (before) this.#clock.heard(recordedAt)
    for (const { source, partition, position } of checkpoints) this.#setCheckpoint(chainOf({ source, partition }), position)
    this.#holders.wrote(derived)
    const isKept = before !== undefined && works.length <= this.#window.size
    for (const { stream, id, version, fold, state, firstAt, lastAt } of streams) {
      const key = keyOf(stream.name, id)
      if (!isKept) this.#heads.forget(key)
      else {
        const seen = { position: position + events.length, recordedAt, repaired: before.repaired }
        this.#heads.keep(key, { version, fold, state, phase: null, firstAt, lastAt, seen })
      }
    }
  }

  #learn(asker: string, key: string, version: number): void {
    const trust = this.#heads.has(key) ? this.#reread : this.#unread
    trust.saw(`${asker} ${partsOf(key)[0]}`, version === (this.#heads.get(key)?.version ?? 0))
  }

  #setCheckpoint(chain: string, position: number | undefined): void {
    if (position === undefined) this.#checkpoints.delete(chain)
    else this.#checkpoints.set(chain, position)
  }
}

/** Whether the append compares all that the outcomes rest on. A refusal, a repetition, a gap are no append's: what they rest on has to be loaded. */
export const isHeld = (batch: Batch): boolean => !isEmpty(batch) && batch.outcomes.every(({ kind }) => kind === 'applied')

/** What happens now comes after all that its stream has seen, as it does by a clock that is asked now. */
const isAfter = (head: Head | undefined, now: Instant): boolean => head !== undefined && head.lastAt >= now

/** Of those that were read together one. */
const distinct = (all: readonly (Seen | undefined)[]): readonly Seen[] => [
  ...new Map(all.flatMap((seen) => (seen ? [[JSON.stringify(seen), seen] as const] : []))).values(),
]

/** Of a stream's key: its kind, which holds no slash, and its id. */
function partsOf(key: string): readonly [stream: string, id: string] {
  const slash = key.indexOf('/')
  return [key.slice(0, slash), key.slice(slash + 1)]
}

const idOf = (key: string): string => partsOf(key)[1]
