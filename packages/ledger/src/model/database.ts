import { type Envelope, type Instant, plus, toInstant } from '@rondo/kernel'
import type { DraftEvent } from '../decision.ts'
import type { KeyRow, LoopRow, TimerRow } from '../derived.ts'
import type { EpochStart } from '../epoch.ts'
import type { AcceptedGap } from '../gaps.ts'
import type { ParkedRecord } from '../parking.ts'
import type { Checkpoint, Retried } from '../port.ts'
import { keyOf } from '../storage.ts'
import type { AppendRows, Chained, StreamRow, Woken, Written } from '../store.ts'
import { lostOf } from './lost.ts'
import { chainKey, heldKey, parkedKey, timerKey } from './names.ts'

/** What PostgreSQL raises, by its SQLSTATE. */
export class Raised extends Error {
  override readonly name = 'Raised'
  readonly code: string
  readonly detail: string | undefined

  constructor(code: string, message: string, detail?: string) {
    super(message)
    this.code = code
    this.detail = detail
  }
}

export interface StoredStream extends Omit<StreamRow, 'state'> {
  /** As JSON. */
  readonly state: string
}
export interface StoredMessageRow {
  readonly hash: string
  readonly at: Instant
  readonly keepUntil: Instant
  readonly outcome: string
  duplicates: number
  conflicts: number
}
export interface StoredEvent {
  readonly envelope: Envelope
  readonly previous: number
}
interface ParkedKeyRow {
  readonly source: string
  readonly partition: number
  readonly key: string
  readonly reason: string
  readonly since: Instant
}
export interface Lease {
  position: number
  holder: string | undefined
  /** Milliseconds since 1970. */
  heldUntil: number
}

const dayMs = 86_400_000
/** What jsonb and text refuse: NUL, and lone halves of surrogate pairs, which JSON.stringify escapes. */
const unstorable = /(?<!\\)(?:\\\\)*\\u(0000|[dD][89a-fA-F])/

export function jsonb(value: unknown): string {
  const text = JSON.stringify(value) ?? 'null'
  if (text.includes('\\u') && unstorable.test(text)) throw new Raised('22P05', 'unsupported Unicode escape sequence')
  return text
}

export function refill<Key, Row>(table: Map<Key, Row>, rows: ReadonlyMap<Key, Row>): void {
  table.clear()
  for (const [key, row] of rows) table.set(key, row)
}

/** One service's schema as PostgreSQL keeps it: the same rows, keys and constraints, and one clock. Each statement is done at once. */
export class ModelDatabase {
  readonly head = {
    position: 0,
    recordedAt: null as Instant | null,
    repaired: 0,
    epoch: 1,
    raised: [] as EpochStart[],
    tails: [] as number[],
    folds: {} as Record<string, number>,
  }
  /** The newest first. */
  readonly plans: { readonly start: number; readonly tails: readonly number[] }[] = []
  readonly streams = new Map<string, StoredStream>()
  /** By key and value: the ids that hold it. */
  readonly keys = new Map<string, Map<string, KeyRow>>()
  readonly loops = new Map<string, LoopRow>()
  readonly timers = new Map<string, TimerRow & { readonly firedAt: Instant | undefined }>()
  readonly events: StoredEvent[] = []
  readonly messages = new Map<string, StoredMessageRow>()
  readonly checkpoints = new Map<string, Omit<Checkpoint, 'previous'>>()
  readonly parkedKeys = new Map<string, ParkedKeyRow>()
  readonly parkedRecords = new Map<string, Map<number, ParkedRecord>>()
  readonly relays = new Map<string, Lease>()
  readonly listeners = new Set<Woken>()
  readonly decisions: (Retried & { readonly decision: 'applied' | 'skipped'; readonly at: Instant })[] = []
  readonly gaps: AcceptedGap[] = []
  readonly #now: () => number
  #locked = false
  readonly #waiting: (() => void)[] = []

  /** Milliseconds since 1970, as the server's clock shows them. */
  constructor(now: () => number = Date.now) {
    this.#now = now
  }

  grow(partitions: number): void {
    const { head } = this
    this.plans.unshift({ start: head.position, tails: [...head.tails] })
    head.tails.push(...Array.from({ length: partitions - head.tails.length }, () => 0))
  }

  chained({ envelope, previous }: StoredEvent): Chained {
    const plan = this.plans.find(({ start }) => start >= previous && start < envelope.position)
    return { event: envelope, previous, ...(plan ? { after: plan.tails } : {}) }
  }

  get millis(): number {
    return this.#now()
  }

  get instant(): Instant {
    return toInstant(new Date(this.#now()))
  }

  /** Runs when nobody holds the head row. */
  free<T>(run: () => T): T | Promise<T> {
    if (!this.#locked) return run()
    return new Promise<void>((resolve) => this.#waiting.push(resolve)).then(() => this.free(run))
  }

  /** Holds the head row until the returned function is called. */
  lock(): Promise<() => void> | (() => void) {
    return this.free(() => {
      this.#locked = true
      let held = true
      return () => {
        if (!held) return
        held = false
        this.#locked = false
        for (const next of this.#waiting.splice(0)) next()
      }
    })
  }

  /** How to take back what was written and need not be on the disk yet, oldest first. */
  #undo: (() => void)[] = []
  #starts = 1

  /** As `History` has it. */
  get incarnation(): string {
    return String(this.#starts)
  }

  /** Runs what is on the disk when it is answered, and all before it. */
  durably<T>(run: () => T): T {
    const result = run()
    this.#undo = []
    return result
  }

  /** Runs what may be lost when the server ends; `undo` takes back what it is about to do. */
  softly<T>(undo: () => void, run: () => T): T {
    this.#undo.push(undo)
    return run()
  }

  /** The server ends at once, and starts again with what lies on its disk. */
  crash(): void {
    for (const undo of this.#undo.splice(0).reverse()) undo()
    this.#starts += 1
  }

  append(rows: AppendRows): Written {
    if (rows.durable) return this.durably(() => this.#append(rows))
    const [messages, checkpoints] = [structuredClone(this.messages), new Map(this.checkpoints)]
    return this.softly(
      () => {
        refill(this.messages, messages)
        refill(this.checkpoints, checkpoints)
      },
      () => this.#append(rows),
    )
  }

  /** What the function `append` of the migrations does. */
  #append(rows: AppendRows): Written {
    const { streams = [], events = [], derived, intake } = rows
    // One moment for all of it, as the function has
    const at = this.instant
    this.#refuseWrongGuess(derived.guess, at)
    if (this.head.tails.length !== derived.partitions) throw new Raised('RL003', 'the partition plan has changed')
    const newer = Object.entries(derived.folds).some(([stream, fold]) => (this.head.folds[stream] ?? 0) > fold)
    if (newer) throw new Raised('RL002', 'a newer version of this service has taken over')
    const lost = lostOf(this, rows)
    if (lost) throw new Raised('RL001', 'lost to another writer', JSON.stringify(lost))
    // Nothing is written before all of it can be
    const stored = streams.map((row) => ({ ...row, state: jsonb(row.state) }))
    const texts = (intake.messages ?? []).map(({ outcome }) => jsonb(outcome))
    const placed = this.#placed(events, at)
    this.#refuseTwoHolders(derived.keys ?? [])
    const { position, epoch, repaired, tails, recordedAt } = this.head
    const marked = Math.max(0, ...[...this.relays.values()].map((relay) => relay.position))
    const { incarnation } = this
    const before = { epoch, repaired, tails: [...tails], planned: this.plans[0]?.start ?? -1, marked, recordedAt, incarnation }
    const written = { position, recordedAt: at, before }
    for (const row of stored) {
      const before = this.streams.get(keyOf(row.stream, row.id))
      this.streams.set(keyOf(row.stream, row.id), before ? { ...row, first_at: before.first_at } : row)
    }
    this.#writeIntake(intake, texts, at)
    this.writeDerived(derived)
    this.#writeEvents(placed)
    return written
  }

  #placed(events: readonly DraftEvent[], at: Instant): readonly StoredEvent[] {
    const tails = [...this.head.tails]
    return events.map((event, n) => {
      const position = this.head.position + n + 1
      const previous = tails[event.partition] ?? 0
      tails[event.partition] = position
      return { envelope: JSON.parse(jsonb({ ...event, position, recordedAt: at } satisfies Envelope)), previous }
    })
  }

  #writeEvents(placed: readonly StoredEvent[]): void {
    for (const event of placed) {
      const { position, partition } = event.envelope
      if (this.events.length !== position - 1) throw new Raised('23505', 'duplicate key value violates unique constraint "event_pkey"')
      this.events.push(event)
      this.head.tails[partition] = position
      this.head.position = position
      this.head.recordedAt = event.envelope.recordedAt
    }
  }

  #refuseWrongGuess(guess: AppendRows['derived']['guess'], at: Instant): void {
    // Its clock knows no microseconds
    const isTime = guess?.now === undefined || (guess.now.slice(0, 23) <= at.slice(0, 23) && guess.now >= plus(at, -1_000))
    const isThere = (guess?.seen ?? []).every(
      ({ position, recordedAt, repaired }) =>
        repaired === this.head.repaired && this.events[position - 1]?.envelope.recordedAt === recordedAt,
    )
    const isHeld = (guess?.held ?? []).every(
      ({ ids, ...held }) => JSON.stringify([...(this.keys.get(heldKey(held))?.keys() ?? [])].sort()) === JSON.stringify(ids),
    )
    if (!isTime || !isThere || !isHeld) throw new Raised('RL001', 'what was guessed is wrong', '{}')
  }

  #writeIntake(
    { messages = [], checkpoints = [], counted = [], fired = [], parked = [] }: AppendRows['intake'],
    texts: readonly string[],
    at: Instant,
  ): void {
    messages.forEach(({ id, hash, days }, index) => {
      this.messages.set(id, { hash, at, keepUntil: plus(at, days * dayMs), duplicates: 0, conflicts: 0, outcome: texts[index] ?? 'null' })
    })
    for (const { source, partition, position, next_offset } of checkpoints)
      this.checkpoints.set(chainKey(source, partition), { source, partition, position, nextOffset: BigInt(next_offset) })
    for (const { id, duplicates, conflicts } of counted) {
      const message = this.messages.get(id)
      if (!message) continue
      message.duplicates += duplicates
      message.conflicts += conflicts
    }
    for (const timer of fired) this.timers.set(timerKey(timer), { ...timer, firedAt: at })
    for (const record of parked) {
      this.parkedRecords.get(parkedKey(record))?.delete(record.position)
      this.note('applied', record)
      this.removeKeyIfEmpty(record)
    }
  }

  note(decision: 'applied' | 'skipped', record: Retried): void {
    this.decisions.push({ ...record, decision, at: this.instant })
  }

  removeKeyIfEmpty(key: Pick<Retried, 'source' | 'partition' | 'key'>): void {
    if ((this.parkedRecords.get(parkedKey(key))?.size ?? 0) === 0) this.parkedKeys.delete(parkedKey(key))
  }

  writeDerived({ keys = [], keys_gone = [], timers = [], timers_gone = [], loops = [] }: Partial<AppendRows['derived']>): void {
    for (const row of keys_gone) this.keys.get(heldKey(row))?.delete(row.id)
    for (const row of keys) {
      const holders = this.keys.get(heldKey(row)) ?? new Map<string, KeyRow>()
      this.keys.set(heldKey(row), holders.set(row.id, holders.get(row.id) ?? row))
    }
    for (const row of timers_gone) this.timers.delete(timerKey(row))
    for (const row of timers) if (!this.timers.has(timerKey(row))) this.timers.set(timerKey(row), { ...row, firedAt: undefined })
    for (const row of loops) this.loops.set(JSON.stringify([row.loop_id, row.stream, row.stream_id]), row)
  }

  /** The unique index, for two of one batch. */
  #refuseTwoHolders(keys: readonly KeyRow[]): void {
    const holders = new Map<string, string>()
    for (const key of keys.filter(({ is_unique }) => is_unique)) {
      if ((holders.get(heldKey(key)) ?? key.id) !== key.id)
        throw new Raised('23505', 'duplicate key value violates unique constraint "stream_key_held_once"')
      holders.set(heldKey(key), key.id)
    }
  }
}
