import type { Bus, BusRecord, StoredRecord } from '@rondo/bus'
import { type Envelope, type Instant, parseInstant } from '@rondo/kernel'
import type { Database } from './database.ts'
import { type EpochStart, epochOf } from './epoch.ts'
import { type HighWater, readHighWater, writeHighWater } from './high-water.ts'
import type { Chained, Standing } from './store.ts'

/** What stands before a record, the same from any relay. */
export interface Chain {
  readonly previous: number
  readonly epoch: number
  /** As in `Chained`. */
  readonly after?: readonly number[]
}

export interface RelayOptions {
  readonly database: Database
  readonly onCommit: (listener: (position: number) => void) => () => void
  readonly bus: Pick<Bus, 'send' | 'tail'>
  readonly topic: string
  readonly encode: (event: Envelope, chain: Chain) => BusRecord
  /** Reads epoch and position back from the last record of a partition. Default: its `ce_epoch` and `ce_position` headers. */
  readonly markOf?: (record: StoredRecord) => HighWater | undefined
  /** The embedded bus: where the high-water mark is kept, outside of the data folder. */
  readonly highWaterFile?: string
  /** After each batch that was sent. */
  readonly onSent?: (batch: { readonly count: number; readonly last: Envelope }) => void
  readonly onState?: (state: RelayState) => void
}

export type RelayState =
  /** Another process has the lease. */
  | { readonly state: 'standby' }
  | { readonly state: 'running'; readonly position: number }
  /** The database or the bus does not take it now; it is tried again. */
  | { readonly state: 'retrying'; readonly reason: string; readonly times: number }
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
/** The safety net where a wake-up got lost; also renews the lease. */
const pollMs = 2_000
const retryFirstMs = 50
const retryMostMs = 5_000

/** Where it is written how far a ledger was sent. */
type Witnesses = Pick<RelayOptions, 'database' | 'topic' | 'markOf' | 'highWaterFile'> & { readonly bus: Pick<Bus, 'tail'> }

/** The last that a partition has, and which event it is. */
interface Mark extends HighWater {
  readonly id: string | undefined
  readonly recordedAt: Instant | undefined
}

class RestoredBackup extends Error {}
const restored = 'an older backup was restored; raise the epoch to go on'

/** After a restore of an older backup: what is appended from now on belongs to a new epoch, above all that are known. Resolves with it. */
export async function raiseEpoch(options: Witnesses): Promise<number> {
  const { store } = options.database
  const { marks, file } = await marksOf(options)
  const known = marks.flatMap((mark) => mark ?? []).toSorted((one, other) => one.epoch - other.epoch || one.position - other.position)
  // A copy is older than the newest that was sent: what it has from before that moment is shared, what it has from after was recorded since
  return store.raiseEpoch(Math.max(0, file?.epoch ?? 0, ...known.map(({ epoch }) => epoch)), known.at(-1)?.recordedAt)
}

/** Sends the ledger's events to its topic in the order of their positions. One for each service does the work; two do no harm. */
export function startRelay(options: RelayOptions): Relay {
  const loop = new RelayLoop(options)
  loop.start()
  return loop
}

class RelayLoop implements Relay {
  state: RelayState = { state: 'standby' }
  readonly #options: RelayOptions
  readonly #holder: string
  #epoch = 0
  #raised: readonly EpochStart[] = []
  /** The last of each partition, when the bus was looked at. */
  #marks: readonly (Mark | undefined)[] = []
  /** Everything up to here was sent; undefined while another one has the lease. */
  #position: number | undefined
  /** Where the ledger stood when it was looked at last: behind that, another one has taken its place. */
  #head = 0
  /** When the lease was taken or kept last. */
  #heldAt = Number.NEGATIVE_INFINITY
  #retries = 0
  #stopped = false
  #awake = false
  #wake: () => void = () => undefined
  #running: Promise<void> = Promise.resolve()
  #unsubscribe: () => void = () => undefined

  constructor(options: RelayOptions) {
    this.#options = options
    this.#holder = options.database.clock.name()
  }

  start(): void {
    this.#unsubscribe = this.#options.onCommit(() => this.#woken())
    this.#running = this.#run()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#unsubscribe()
    this.#woken()
    await this.#running
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
        if (!more) await this.#sleep(pollMs, false)
      } catch (error) {
        await this.#failed(error)
      }
    }
    await this.#leave()
    this.#say({ state: 'stopped' })
  }

  /** True when more is waiting. */
  async #step(): Promise<boolean> {
    const { database, topic } = this.#options
    const asked = database.clock.now()
    // Far from its end the lease is not asked for again: two more round trips, and a commit, before each event
    if (this.#position !== undefined && asked - this.#heldAt < pollMs) return this.#send()
    const position = await database.store.holdLease(topic, this.#holder, leaseSeconds)
    if (position === undefined) {
      this.#position = undefined
      // Another one sends. Whether this ledger is an older copy is to be known before anything is recorded, by each process
      await this.#look(false)
      this.#say({ state: 'standby' })
      return false
    }
    // A lease that was another's is looked at anew; where less is marked than was sent, the ledger went back under this process
    await this.#look(this.#position === undefined || position < this.#position)
    this.#position = position
    this.#heldAt = asked
    if (this.#head > position) return this.#send()
    this.#say({ state: 'running', position })
    return false
  }

  /** Compares if told, and where the ledger is in another epoch or stands behind where it stood. */
  async #look(anew: boolean): Promise<void> {
    const { epoch, position } = await this.#options.database.store.standing()
    if (anew || epoch !== this.#epoch || position < this.#head) await this.#compare(epoch)
    this.#head = position
  }

  async #send(): Promise<boolean> {
    const { database, topic } = this.#options
    for (;;) {
      const from = this.#position ?? 0
      const { batch, epoch, marked } = await database.store.chainedAfter(from, batchSize, this.#epoch)
      if (epoch !== this.#epoch || marked < from) return this.#lookAnew()
      const last = batch.at(-1)?.event
      if (!last) {
        this.#say({ state: 'running', position: this.#position ?? 0 })
        return false
      }
      await this.#options.bus.send(
        topic,
        batch.filter(({ event }) => !this.#isShared(event)).map((chained) => this.#encoded(chained)),
      )
      this.#retries = 0
      await this.#mark(last.position)
      const asked = database.clock.now()
      const kept = await database.store.markSent(topic, this.#holder, { from, to: last.position }, leaseSeconds)
      this.#options.onSent?.({ count: batch.length, last })
      this.#say({ state: 'running', position: last.position })
      if (!kept || this.#stopped) return this.#lookAnew()
      this.#position = last.position
      this.#heldAt = asked
      if (batch.length < batchSize) return this.#awake
    }
  }

  /** The lease was lost, the epoch was raised, or the ledger went back. */
  #lookAnew(): boolean {
    this.#position = undefined
    return !this.#stopped
  }

  /** Of an earlier epoch, and on the bus: sent once more it would hide what was sent behind it, which shows that a copy is an older one. */
  #isShared({ position, partition }: Envelope): boolean {
    const epoch = epochOf(this.#raised, position)
    const mark = this.#marks[partition]
    return epoch < this.#epoch && mark !== undefined && (mark.epoch > epoch || (mark.epoch === epoch && mark.position >= position))
  }

  #encoded({ event, ...before }: Chained): BusRecord {
    const epoch = epochOf(this.#raised, event.position)
    return { ...this.#options.encode(event, { ...before, epoch }), partition: event.partition }
  }

  async #mark(position: number): Promise<void> {
    const { highWaterFile } = this.#options
    if (highWaterFile) await writeHighWater(highWaterFile, { epoch: this.#epoch, position })
  }

  /** Throws RestoredBackup where the bus, or the mark beside it, is ahead of the ledger. First the bus, then the ledger: it may grow meanwhile. */
  async #compare(epoch: number): Promise<void> {
    const { database, topic } = this.#options
    const { marks, file } = await marksOf(this.#options)
    const ledger = await database.store.standing()
    await Promise.all(
      marks.map(async (mark, partition) => {
        const where = `${topic} partition ${partition}`
        if (!mark) return
        refuseAhead(mark, { ...ledger, position: ledger.tails[partition] ?? 0 }, where)
        if (mark.epoch === ledger.epoch) await this.#refuseAnother(mark, where)
      }),
    )
    if (file) refuseAhead(file, ledger, `the high-water mark of ${topic}`)
    this.#epoch = epoch
    this.#raised = ledger.raised
    this.#marks = marks
  }

  /** An older copy that has grown past the mark since holds something else there. */
  async #refuseAnother({ epoch, position, id }: Mark, where: string): Promise<void> {
    const { batch } = await this.#options.database.store.chainedAfter(position - 1, 1, epoch)
    const [found] = batch
    if (id === undefined || found?.event.position !== position || found.event.id === id) return
    throw new RestoredBackup(
      `${where} knows position ${position} (epoch ${epoch}) as ${id}, the ledger has ${found.event.id} there: ${restored}`,
    )
  }

  async #failed(error: unknown): Promise<void> {
    const reason = error instanceof Error ? error.message : String(error)
    this.#position = undefined
    if (error instanceof RestoredBackup) {
      this.#say({ state: 'restored_backup', reason })
      return this.#sleep(pollMs, true)
    }
    this.#retries += 1
    this.#say({ state: 'retrying', reason, times: this.#retries })
    await this.#sleep(Math.min(retryMostMs, retryFirstMs * 2 ** (this.#retries - 1)), true)
  }

  /** `deaf`: only `stop` ends it early. */
  async #sleep(ms: number, deaf: boolean): Promise<void> {
    if (this.#stopped || (this.#awake && !deaf)) return
    await new Promise<void>((resolve) => {
      const cancel = this.#options.database.clock.after(ms, resolve)
      this.#wake = () => {
        if (deaf && !this.#stopped) return
        cancel()
        resolve()
      }
    })
    this.#wake = () => undefined
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

/** How far the ledger was sent, by the bus, partition by partition, and by the file beside it. */
async function marksOf({ database, bus, topic, markOf = headerMark, highWaterFile }: Witnesses) {
  const { tails } = await database.store.standing()
  const records = await Promise.all(tails.map(async (_, partition) => await bus.tail(topic, partition)))
  const file = highWaterFile ? await readHighWater(highWaterFile) : undefined
  const marks = records.map((record): Mark | undefined => {
    const mark = record && markOf(record)
    const { ce_id: id, ce_recordedtime: recorded } = record?.headers ?? {}
    return mark && { ...mark, id, recordedAt: recorded === undefined ? undefined : parseInstant(recorded) }
  })
  return { marks, file }
}

function headerMark({ headers }: StoredRecord): HighWater | undefined {
  const position = Number(headers.ce_position)
  return Number.isInteger(position) ? { epoch: Number(headers.ce_epoch ?? 1), position } : undefined
}

function refuseAhead(mark: HighWater, ledger: Standing, where: string): void {
  if (mark.epoch < ledger.epoch || (mark.epoch === ledger.epoch && mark.position <= ledger.position)) return
  throw new RestoredBackup(
    `${where} knows position ${mark.position} (epoch ${mark.epoch}), the ledger only ${ledger.position} (epoch ${ledger.epoch}): ${restored}`,
  )
}
