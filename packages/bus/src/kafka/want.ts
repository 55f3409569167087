import type { StoredRecord } from '../port.ts'
import type { Chunk } from './chunk.ts'

/** Bytes that may wait for one partition of a member before more is asked for, and that are handed over at once. */
export const mostOfPartition = 256 << 10
/** Bytes that a member may hold, what it is handling included. One fetch that was asked for before may come on top. */
const mostHeld = 2 << 20

/** What a member does with what it gets. Neither throws or rejects. */
export interface Sink {
  /** From `from` to before `next`; resolves when the next may come. */
  deliver(records: Iterable<StoredRecord>, from: bigint, next: bigint): Promise<void>
  /** What is before this offset is for nobody. */
  skip(next: bigint): void
  /** The broker does not have what is wanted. */
  suspect(): void
  fault(error: unknown): void
}

/** What the wants of one member hold together. */
export interface Held {
  bytes: number
}

interface Piece {
  readonly chunk: Chunk
  /** What lies before is not for this member. */
  readonly from: bigint
}

/** What one member wants of a partition, from an offset on, until it is over. */
export class Want {
  readonly sink: Sink
  /** When it was fetched for last, in fetches. */
  asked = 0
  readonly #held: Held
  readonly #onRoom: () => void
  readonly #pieces: Piece[] = []
  #next: bigint
  #waiting = 0
  #isHandling = false
  #isOver = false
  /** Why it cannot go on behind what was brought. */
  #broken: (() => void) | undefined

  constructor(from: bigint, sink: Sink, held: Held, onRoom: () => void) {
    this.#next = from
    this.sink = sink
    this.#held = held
    this.#onRoom = onRoom
  }

  /** The offset behind all that was brought for it. */
  get next(): bigint {
    return this.#next
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /** It is neither over nor waits for what cannot be had. */
  get goesOn(): boolean {
    return !this.#isOver && this.#broken === undefined
  }

  get hasRoom(): boolean {
    return this.goesOn && this.#waiting < mostOfPartition && this.#held.bytes < mostHeld
  }

  /** Whether this is what comes next for it, and it may have it: also what was asked for when it had room, if others have filled that since. */
  fits(chunk: Chunk, hadRoomAt?: bigint): boolean {
    const isNext = chunk.from <= this.#next && chunk.next > this.#next
    return isNext && (this.hasRoom || (this.goesOn && this.#next === hadRoomAt))
  }

  take(chunk: Chunk): void {
    this.#pieces.push({ chunk, from: this.#next })
    this.#next = chunk.next
    this.#waiting += chunk.bytes
    this.#held.bytes += chunk.bytes
    void this.#handOver()
  }

  /** What comes next cannot be had, which is told when all before it is handled; until it is ended nothing is wanted any more. */
  break(tell: () => void): void {
    this.#broken ??= tell
    void this.#handOver()
  }

  /** Nothing more is handed over. */
  end(): void {
    this.#isOver = true
    const bytes = sizeOf(this.#pieces.splice(0))
    this.#free(bytes, bytes)
  }

  async #handOver(): Promise<void> {
    if (this.#isHandling) return
    this.#isHandling = true
    for (let pieces = this.#together(); pieces.length > 0; pieces = this.#together()) {
      const bytes = sizeOf(pieces)
      this.#free(bytes, 0)
      const [begin, end] = [pieces[0]?.from ?? this.#next, pieces.at(-1)?.chunk.next ?? this.#next]
      if (pieces.some(({ chunk, from }) => chunk.holds(from))) await this.sink.deliver(new Records(pieces), begin, end)
      else this.sink.skip(end)
      this.#free(0, bytes)
    }
    this.#isHandling = false
    if (!this.#isOver) this.#broken?.()
  }

  /** As many as may be handed over at once. */
  #together(): readonly Piece[] {
    let [count, bytes] = [0, 0]
    for (const { chunk } of this.#pieces) {
      bytes += chunk.bytes
      if (count > 0 && bytes > mostOfPartition) break
      count += 1
    }
    return this.#pieces.splice(0, count)
  }

  #free(waiting: number, held: number): void {
    const hadRoom = this.hasRoom
    this.#waiting -= waiting
    this.#held.bytes -= held
    if (!hadRoom && (this.hasRoom || this.#isOver)) this.#onRoom()
  }
}

const sizeOf = (pieces: readonly Piece[]): number => pieces.reduce((sum, { chunk }) => sum + chunk.bytes, 0)

/** A class, as a generator function that is made anew for each call holds what it goes through until the old generation is collected (ADR 31). */
class Records implements Iterable<StoredRecord> {
  readonly #pieces: readonly Piece[]

  constructor(pieces: readonly Piece[]) {
    this.#pieces = pieces
  }

  *[Symbol.iterator](): Generator<StoredRecord, void> {
    for (const { chunk, from } of this.#pieces) yield* chunk.records(from)
  }
}
