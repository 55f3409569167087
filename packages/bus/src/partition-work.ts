import { type Clock, realClock } from './clock.ts'
import { asError, OffsetOutOfRange } from './error.ts'
import type { ConsumeOptions, Pace, PartitionControl, StoredRecord } from './port.ts'

/** What an adapter does for one assigned partition. */
export interface Feed {
  readonly topic: string
  readonly partition: number
  bounds(): Promise<Ends>
  /** From now on the records from this offset are to be delivered. */
  flow(from: bigint): void
  /** From now on nothing is to be delivered. */
  halt(): void
}

export interface Ends {
  readonly first: bigint
  readonly next: bigint
}

type Standing =
  /** `start` is being asked. */
  | { readonly is: 'starting' }
  | { readonly is: 'flowing'; readonly position: bigint }
  | { readonly is: 'retrying'; readonly reason: string; readonly cancel: () => void }
  | { readonly is: 'paused'; readonly reason: string }
  | { readonly is: 'revoked' }

type Failure = { readonly error: Error } | undefined

/** The life of one assigned partition: where it starts, what a failure, a pause, a seek, a lost offset makes of it. The same for each adapter. */
export class PartitionWork {
  readonly topic: string
  readonly partition: number
  readonly #options: ConsumeOptions
  readonly #feed: Feed
  readonly #pace: Pace
  readonly #clock: Clock
  readonly #revoked = new AbortController()
  readonly #control: PartitionControl
  #standing: Standing = { is: 'starting' }
  #attempt = 0
  #failures = 0
  /** Why it stood still last, until it has read on. */
  #stoodStill: string | undefined
  #handling: Promise<unknown> | undefined
  #wish: { readonly pause?: string; readonly seek?: bigint } = {}

  constructor(options: ConsumeOptions, feed: Feed, pace: Pace, clock: Clock = realClock) {
    this.topic = feed.topic
    this.partition = feed.partition
    this.#options = options
    this.#feed = feed
    this.#pace = pace
    this.#clock = clock
    this.#control = {
      pause: (reason) => this.#wanted({ pause: reason }),
      seek: (offset) => this.#wanted({ seek: offset }),
      fail: (reason) => this.#failedBetween(reason),
      signal: this.#revoked.signal,
    }
  }

  /** The offset wanted next, while records flow. */
  get position(): bigint | undefined {
    return this.#standing.is === 'flowing' ? this.#standing.position : undefined
  }

  /** Why it stands still, if it does. Who tries again is not well before something was read, or there is nothing to read. */
  get standsStill(): string | undefined {
    if (this.#standing.is === 'revoked') return undefined
    return this.#standing.is === 'paused' || this.#standing.is === 'retrying' ? this.#standing.reason : this.#stoodStill
  }

  /** Asks where to start, and lets records flow from there. */
  begin(): void {
    void this.#goTo(undefined)
  }

  /** As `begin`, but what was paused stays so: the group has come together anew and the partition stayed here. */
  rejoined(): void {
    if (this.#standing.is === 'paused') this.#feed.halt()
    else this.begin()
  }

  /**
   * Hands over records from the position on; resolves when they were handled or have failed, never rejects. Others than those are not handed
   * over: what lies between them and the position was deleted, or was left out on the way.
   */
  async deliver(records: Iterable<StoredRecord>, from: bigint, next: bigint): Promise<void> {
    if (!this.#isIdle) return
    if (from !== this.position) return this.suspect()
    const attempt = this.#attempt
    this.#wish = {}
    const working = this.#handle(records)
    this.#handling = working
    const failure = await working
    this.#handling = undefined
    if (this.#revoked.signal.aborted) return
    if (failure === undefined) this.#isWell()
    this.#afterBatch(failure, next, attempt)
  }

  /** Nothing for the consumer lies between the position and this offset. */
  skipTo(next: bigint): void {
    if (!this.#isIdle || next <= (this.position ?? next)) return
    this.#stand({ is: 'flowing', position: next })
    this.#stoodStill = undefined
  }

  /** Compares the position with what there is, where it still is the one of before the ends were asked for: one that moved on meanwhile may lie behind them. */
  check(ends: Ends, before: bigint | undefined): void {
    const { position } = this
    if (this.#isIdle && position !== undefined && position === before) this.#refuse(position, ends)
  }

  /** The engine went on from elsewhere than the position: finds out why, and goes back. */
  suspect(): void {
    if (this.#isIdle) void this.#goTo(this.position)
  }

  /** The records could not be read. */
  fault(thrown: unknown): void {
    if (this.#isIdle) this.#fail(asError(thrown))
  }

  /** Also where records flow: what `start` says may have changed. */
  resume(): void {
    if (!this.#revoked.signal.aborted) this.begin()
  }

  /** Tells the signal, and waits until nothing is being handled. */
  async revoke(): Promise<void> {
    this.#revoked.abort()
    this.#stand({ is: 'revoked' })
    await this.#handling
  }

  /** Records may be handed over, or what is known of them looked at. */
  get #isIdle(): boolean {
    return this.#standing.is === 'flowing' && this.#handling === undefined
  }

  #stand(next: Standing): void {
    if (this.#standing.is === 'retrying') this.#standing.cancel()
    this.#standing = next
  }

  #isWell(): void {
    this.#failures = 0
    this.#stoodStill = undefined
  }

  #pause(reason: string): void {
    this.#attempt += 1
    this.#stoodStill = reason
    this.#stand({ is: 'paused', reason })
    this.#feed.halt()
  }

  #tell(error: Error): void {
    this.#options.onError(error, this.topic, this.partition)
  }

  /** An offset that is not there pauses the partition; never is another one taken for it. */
  #refuse(wanted: bigint, { first, next }: Ends): boolean {
    if (wanted >= first && wanted <= next) return false
    const error = new OffsetOutOfRange({ topic: this.topic, partition: this.partition, wanted, first, next })
    this.#pause(error.message)
    this.#tell(error)
    return true
  }

  #fail(error: Error): void {
    const delay = Math.min(this.#pace.retryMost, this.#pace.retryFirst * 2 ** this.#failures)
    this.#failures += 1
    this.#attempt += 1
    const reason = `retried after: ${error.message}`
    this.#stoodStill = reason
    this.#stand({ is: 'retrying', reason, cancel: this.#clock.after(delay, () => this.begin()) })
    this.#feed.halt()
    this.#tell(error)
  }

  /** Lets records flow from the offset, or from where `start` says. Only the last call counts. */
  async #goTo(offset: bigint | undefined): Promise<void> {
    this.#attempt += 1
    const attempt = this.#attempt
    const isOver = () => this.#revoked.signal.aborted || attempt !== this.#attempt
    if (this.#revoked.signal.aborted) return
    this.#stand({ is: 'starting' })
    this.#feed.halt()
    try {
      await this.#handling
      const wanted = offset ?? (await this.#options.start(this.topic, this.partition))
      const ends = await this.#feed.bounds()
      if (isOver()) return
      const position = wanted === 'first' ? ends.first : wanted
      if (this.#refuse(position, ends)) return
      if (position >= ends.next) this.#stoodStill = undefined
      this.#stand({ is: 'flowing', position })
      this.#feed.flow(position)
    } catch (error) {
      if (!isOver()) this.#fail(asError(error))
    }
  }

  async #handle(records: Iterable<StoredRecord>): Promise<Failure> {
    try {
      await this.#options.handle(records, this.#control)
      return undefined
    } catch (error) {
      return { error: asError(error) }
    }
  }

  #wanted(wish: { readonly pause?: string; readonly seek?: bigint }): void {
    if (this.#handling !== undefined) this.#wish = wish
    else if (this.#revoked.signal.aborted) return
    else if (wish.pause !== undefined) this.#pause(wish.pause)
    else if (wish.seek !== undefined) void this.#goTo(wish.seek)
  }

  /** Where it stands still it begins anew anyway. */
  #failedBetween(reason: unknown): void {
    const isOn = this.#standing.is === 'flowing' || this.#standing.is === 'starting'
    if (isOn && this.#handling === undefined) this.#fail(asError(reason))
  }

  /** What the handler wished for comes after its batch, a pause also when the batch failed: the retry must not undo it. */
  #afterBatch(failure: Failure, next: bigint, attempt: number): void {
    const { pause, seek } = this.#wish
    const begunAnew = attempt !== this.#attempt
    if (pause !== undefined || begunAnew) {
      if (failure !== undefined) this.#tell(failure.error)
      if (pause !== undefined) this.#pause(pause)
    } else if (failure !== undefined) this.#fail(failure.error)
    else if (seek !== undefined) void this.#goTo(seek)
    else this.#stand({ is: 'flowing', position: next })
  }
}
