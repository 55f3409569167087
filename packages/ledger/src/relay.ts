import { type Bus, BusError, type BusRecord } from '@rondo/bus'
import type { Envelope } from '@rondo/kernel'
import type { CommitListener, Others, Telling } from './commits.ts'
import { epochOf } from './epoch.ts'
import { FreshWrites, isOf } from './fresh.ts'
import { writeHighWater } from './high-water.ts'
import type { Chained, Chaining, Fresh, History, Lease, SentRange } from './store.ts'
import { compare, isShared, RestoredBackup, type Seen, type Witnesses } from './witness.ts'

/** What stands before a record, the same from any relay. */
export interface Chain {
  readonly previous: number
  readonly epoch: number
  /** As in `Chained`. */
  readonly after?: readonly number[]
}

export interface RelayOptions extends Witnesses {
  readonly onCommit: (listener: CommitListener) => () => void
  /** Joins the relays of other processes, which hear of each other by the ledger. */
  readonly join: (relay: Telling) => Others
  readonly bus: Pick<Bus, 'send' | 'last'>
  readonly encode: (event: Envelope, chain: Chain) => BusRecord
  /** After each batch that was sent. */
  readonly onSent?: (batch: { readonly count: number; readonly last: Envelope }) => void
  readonly onState?: (state: RelayState) => void
}

export type RelayState =
  /** It has not yet asked for the lease. */
  | { readonly state: 'starting' }
  /** Another process has the lease. */
  | { readonly state: 'standby' }
  | { readonly state: 'running'; readonly position: number }
  /** The database or the bus does not take it now; it is tried again. `compared`: it was seen before that the ledger is no older copy. */
  | { readonly state: 'retrying'; readonly reason: string; readonly times: number; readonly compared: boolean; readonly fix?: string }
  /** The bus knows more than the ledger: an older backup was restored. Nothing is sent until the epoch is raised (`raiseEpoch`). */
  | { readonly state: 'restored_backup'; readonly reason: string }
  | { readonly state: 'stopped' }

export interface Relay {
  readonly state: RelayState
  stop(): Promise<void>
}

const batchSize = 300
/** How long a holder that says nothing keeps the lease. */
const leaseSeconds = 10
/** When the holder renews it; also the safety net where a wake-up got lost. */
const renewMs = 4_000
/** How often whoever stands by asks whether it is free, however often it is woken. */
const askMs = 2_000
/**
 * So long after the first that is not marked it is marked, when those who wait for it have been served; at once where somebody needs it. Where
 * other processes write, too, what each can send hangs on it.
 */
const markMs = { alone: 100, beside: 30 } as const
/** So long after others have written they are taken for writing. */
const besideMs = 10_000
const retryFirstMs = 50
const retryMostMs = 5_000

const nothing = (): void => undefined

/**
 * Sends the ledger's events to its topic in the order of their positions. One for each service holds a lease and answers for all of them; of
 * the others each sends what its own process has written, where it knows that all before it was sent. What two of them send does no harm.
 */
export function startRelay(options: RelayOptions): Relay {
  const loop = new RelayLoop(options)
  loop.start()
  return loop
}

class RelayLoop implements Relay {
  state: RelayState = { state: 'starting' }
  readonly #options: RelayOptions
  readonly #holder: string
  /** Which ledger it is that was compared with what was sent. */
  #ledger: History = { epoch: 0, incarnation: '' }
  #seen: Seen = { raised: [], marks: [] }
  /** Everything up to here was sent; undefined while another one has the lease. */
  #position: number | undefined
  /** What was sent and is not marked yet, nor being marked. */
  #unmarked: SentRange | undefined
  #marking: Promise<void> | undefined
  /** Marks at once. */
  #hurry = nothing
  /** When another process was last heard to have written. */
  #othersAt = Number.NEGATIVE_INFINITY
  readonly #fresh = new FreshWrites()
  /** Where the ledger stood when it was looked at last: behind that, another one has taken its place. */
  #head = 0
  /** When the lease is to be asked for. */
  #askAt = Number.NEGATIVE_INFINITY
  #retries = 0
  #compared = false
  #stopped = false
  #awake = false
  #wake = nothing
  #running: Promise<void> = Promise.resolve()
  #unsubscribe = nothing
  #others: Others = { told: nothing, wake: nothing }

  constructor(options: RelayOptions) {
    this.#options = options
    this.#holder = options.database.clock.name()
  }

  start(): void {
    this.#others = this.#options.join({
      tells: (position) => !this.#stopped && (this.#position !== undefined || this.#fresh.ends(position)),
      sent: (position) => this.#otherSent(position),
    })
    this.#unsubscribe = this.#options.onCommit((position, written) => this.#grown(position, written))
    this.#running = this.#run()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#unsubscribe()
    this.#woken()
    await this.#running
  }

  #grown(position: number, written: Fresh | undefined): void {
    if (!written) this.#othersAt = this.#options.database.clock.now()
    if (this.#position === undefined) {
      // Who stands by sends nothing of others
      if (!written || !this.#compared || !this.#fresh.offer(written, this.#ledger)) return
    } else if (position <= this.#position) return
    else if (written) this.#fresh.add(written)
    this.#woken()
  }

  #otherSent(position: number): void {
    if (this.#position === undefined || position <= this.#position) return
    this.#position = position
    if (this.state.state === 'running') this.#say({ state: 'running', position })
  }

  #woken(): void {
    this.#awake = true
    this.#wake()
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      this.#awake = false
      try {
        const more = await this.#step()
        this.#retries = 0
        if (!more) await this.#sleep(this.#untilAsked(), false)
      } catch (error) {
        await this.#failed(error)
      }
    }
    await this.#settled()
    await this.#leave()
    this.#say({ state: 'stopped' })
  }

  /** Milliseconds; never too few, as a timer may be early by less than one. */
  #untilAsked(): number {
    return Math.max(0, this.#askAt - this.#options.database.clock.now()) + 1
  }

  /** True when more is waiting. */
  async #step(): Promise<boolean> {
    const { database, topic } = this.#options
    const asked = database.clock.now()
    // Far from its end the lease is not asked for again: another round trip before each event; nor by each of those who stand by
    if (asked < this.#askAt) return this.#position === undefined ? this.#sendOwn() : this.#send()
    await this.#settled()
    const lease = await database.store.holdLease(topic, this.#holder, leaseSeconds)
    const { sent } = lease
    if (sent === undefined) {
      if (this.#position !== undefined) this.#giveBack()
      this.#position = undefined
      // Another one sends. Whether this ledger is an older copy is to be known before anything is recorded, by each process
      await this.#look(lease, false)
      this.#fresh.knownAnew(database.clock.now(), 0)
      this.#askAt = asked + askMs
      this.#say({ state: 'standby' })
      return false
    }
    // A lease that was another's is looked at anew; where less is marked than was sent, the ledger went back under this process
    await this.#look(lease, this.#position === undefined || sent < this.#position)
    this.#position = sent
    this.#fresh.knownAnew(database.clock.now(), sent)
    this.#askAt = asked + renewMs
    if (this.#head > sent) return this.#send()
    this.#say({ state: 'running', position: sent })
    return false
  }

  /** Compares if told, and where the ledger is another one, or stands behind where it stood. */
  async #look({ head, epoch, incarnation }: Lease, anew: boolean): Promise<void> {
    const ledger = { epoch, incarnation }
    if (anew || !isOf(this.#ledger, ledger) || head < this.#head) {
      this.#seen = await compare(this.#options)
      this.#ledger = ledger
      this.#giveBack()
    }
    this.#head = head
    this.#compared = true
  }

  async #send(): Promise<boolean> {
    const { database } = this.#options
    // What was written behind the last that was sent was so in this very ledger: it need not be marked before
    const own =
      this.#position !== undefined && this.#fresh.goesOn() ? this.#fresh.after(this.#position, batchSize, this.#ledger) : undefined
    if (!own) await this.#settled()
    const from = this.#position
    if (from === undefined || this.#askAt === Number.NEGATIVE_INFINITY) return !this.#stopped
    const next =
      own ?? this.#fresh.after(from, batchSize, this.#ledger) ?? (await database.store.chainedAfter(from, batchSize, this.#ledger))
    if (!isOf(next, this.#ledger) || next.marked < from) return this.#lookAnew()
    if (next.batch.length === 0) {
      this.#say({ state: 'running', position: from })
      return false
    }
    const end = await this.#deliver(from, next)
    this.#retries = 0
    this.#position = Math.max(this.#position ?? 0, end)
    this.#say({ state: 'running', position: this.#position })
    return next.batch.length >= batchSize || this.#awake
  }

  /** Beside the holder of the lease. What cannot be sent is left to it. */
  async #sendOwn(): Promise<boolean> {
    const { database, topic } = this.#options
    await this.#settled()
    if (this.#askAt === Number.NEGATIVE_INFINITY) return !this.#stopped
    const { next, isAll } = this.#fresh.beside(batchSize, this.#ledger)
    if (!isAll) this.#others.wake()
    if (!next) return false
    try {
      await this.#deliver(next.from, next)
      this.#hurry()
    } catch (error) {
      database.log.info({ topic, error: String(error) }, 'what was written could not be sent at once; it is left to who sends all')
      this.#giveBack()
    }
    return this.#awake
  }

  /** What was to be sent as it was written has to be read, by whoever has the lease. */
  #giveBack(): void {
    if (this.#fresh.forget()) this.#others.wake()
  }

  /** Sends it, and begins to mark it. Resolves with where it ends. */
  async #deliver(from: number, { batch }: Pick<Chaining, 'batch'>): Promise<number> {
    const { bus, topic, onSent } = this.#options
    const last = batch.at(-1)?.event
    if (!last) return from
    await bus.send(
      topic,
      batch.filter(({ event }) => !isShared(event, this.#ledger.epoch, this.#seen)).map((chained) => this.#encoded(chained)),
    )
    this.#options.database.way?.leave()
    await this.#mark(last.position)
    this.#fresh.sentTo(last)
    this.#unmarked = { from: this.#unmarked?.from ?? from, to: last }
    this.#marking ??= this.#markSent()
    onSent?.({ count: batch.length, last })
    return last.position
  }

  /** What was sent before is the ledger's still, and marked; or the lease is to be asked for. */
  async #settled(): Promise<void> {
    while (this.#marking) {
      this.#hurry()
      await this.#marking
    }
  }

  /** What is not marked may be sent twice, which does no harm. Never rejects. */
  async #markSent(): Promise<void> {
    await this.#served()
    const range = this.#unmarked
    this.#unmarked = undefined
    if (range) await this.#markRange(range)
    this.#marking = this.#unmarked ? this.#markSent() : undefined
  }

  async #markRange(range: SentRange): Promise<void> {
    const { database, topic } = this.#options
    const { to } = range
    try {
      const asked = database.clock.now()
      const holds = this.#position !== undefined
      const { marked, kept } = await database.store.markSent(topic, this.#holder, range, leaseSeconds)
      if (!marked || (holds && !kept)) throw new Error(marked ? 'another one has the lease' : 'it is not what was sent')
      this.#others.told(to.position)
      this.#fresh.known(database.clock.now(), to.position)
      if (holds) this.#askAt = asked + renewMs
    } catch (error) {
      // Another one has the lease, this is not the ledger that was sent, or it does not answer: whoever asks for the lease is told which
      database.log.info({ topic, error: String(error) }, 'what was sent could not be marked; the lease is asked for again')
      this.#giveBack()
      // No later mark may say that all is well
      this.#unmarked = undefined
      this.#askAt = Number.NEGATIVE_INFINITY
      this.#woken()
    }
  }

  /** Resolves after a while, or when more is to be sent. */
  #served(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const { clock } = this.#options.database
    const cancel = clock.after(clock.now() - this.#othersAt < besideMs ? markMs.beside : markMs.alone, resolve)
    const hurry = () => {
      cancel()
      resolve()
    }
    this.#hurry = hurry
    return promise
  }

  /** The lease was lost, the epoch was raised, or the ledger went back. */
  #lookAnew(): boolean {
    this.#position = undefined
    this.#giveBack()
    this.#askAt = Number.NEGATIVE_INFINITY
    return !this.#stopped
  }

  #encoded({ event, ...before }: Chained): BusRecord {
    const epoch = epochOf(this.#seen.raised, event.position)
    return { ...this.#options.encode(event, { ...before, epoch }), partition: event.partition }
  }

  async #mark(position: number): Promise<void> {
    const { highWaterFile } = this.#options
    if (highWaterFile) await writeHighWater(highWaterFile, { epoch: this.#ledger.epoch, position })
  }

  async #failed(error: unknown): Promise<void> {
    const reason = error instanceof Error ? error.message : String(error)
    this.#position = undefined
    this.#giveBack()
    this.#askAt = Number.NEGATIVE_INFINITY
    if (error instanceof RestoredBackup) {
      this.#compared = false
      this.#say({ state: 'restored_backup', reason })
      return this.#sleep(askMs, true)
    }
    this.#retries += 1
    const fix = fixOf(error)
    this.#say({ state: 'retrying', reason, times: this.#retries, compared: this.#compared, ...(fix === undefined ? {} : { fix }) })
    await this.#sleep(Math.min(retryMostMs, retryFirstMs * 2 ** (this.#retries - 1)), true)
  }

  /** `deaf`: only `stop` ends it early. */
  async #sleep(ms: number, deaf: boolean): Promise<void> {
    if (this.#stopped || (this.#awake && !deaf)) return
    await new Promise<void>((resolve) => {
      const cancel = this.#options.database.clock.after(ms, resolve)
      const wake = () => {
        if (deaf && !this.#stopped) return
        cancel()
        resolve()
      }
      this.#wake = wake
    })
    this.#wake = nothing
  }

  async #leave(): Promise<void> {
    const { database, topic } = this.#options
    try {
      await database.store.leaveLease(topic, this.#holder)
    } catch (error) {
      // It runs out by itself
      database.log.warn({ topic, error: String(error) }, 'the relay could not give its lease back')
    }
  }

  #say(state: RelayState): void {
    const { database, topic, onState } = this.#options
    const changed = state.state !== this.state.state
    this.state = state
    onState?.(state)
    if (!changed) return
    const level = state.state === 'restored_backup' ? 'error' : state.state === 'retrying' ? 'warn' : 'info'
    database.log[level]({ topic, ...state }, `relay: ${state.state}`)
  }
}

/** Of an event that was recorded before its topic's limit was lowered. */
const fixOf = (error: unknown): string | undefined =>
  error instanceof BusError && error.code === 'too_large' && error.details.wanted !== undefined
    ? `raise ${error.details.wanted} or more`
    : undefined
