import type { PartitionControl, StoredRecord } from '@rondo/bus'
import { contentHashOf } from '@rondo/contracts/cloudevents'
import { DomainError, type Envelope } from '@rondo/kernel'
import { type Checkpoint, CheckpointGap } from '@rondo/ledger'
import { isTemporary, reasonOf } from './consumer-failure.ts'
import { type Noticed, type NotingParts, note, noticed, plenty, rest, runsOf } from './consumer-noted.ts'
import { mostWaiting, storedWithinMs, type Working } from './consumer-parts.ts'
import { type Chained, type Known, type Place, type Read, readable, type Watermark } from './consumer-record.ts'
import { missing, replayCommand, startOf } from './consumer-start.ts'
import { contentHash, inItsPlace, submitFact, submitTells } from './consumer-unit.ts'
import { InFlight, type Turn } from './in-flight.ts'
import { OtherPartitionsFirst, unreadOf } from './other-partitions.ts'
import { type Interest, isIntake, raised } from './reaction-table.ts'
import { processSpan } from './spans.ts'

/** Facts of a partition that are on their way at the same time. */
const window = 256

/** The life of one assigned partition, from the stored offset on: what is read is applied once, in order, without gaps. */
export class ConsumerPartition {
  readonly #parts: Working
  readonly #topic: string
  readonly #partition: number
  #mark: Watermark = { source: '', epoch: 0, seen: 0, stored: 0 }
  #parked = new Set<string>()
  /** The position from which the chain was last looked for from the beginning. */
  #soughtAt = -1
  /** While records are missing: the first that was passed over. */
  #ahead: number | undefined
  /** The offset after what was read and is not stored yet. */
  #nextOffset = 0n
  readonly #inFlight = new InFlight(window)
  /** Intake of no interest that was read and is not stored yet. */
  #waiting: (Read | Noticed)[] = []
  /** Among them is some that senders are told of: it is not kept waiting behind its batch. */
  #isAwaited = false
  /** Of the batch that is being handled, how many records only tell senders that they were read. */
  #receipts = 0
  /** Since when something is not stored that was of no interest. */
  #waitingSince: number | undefined
  #handling = false
  #storing: Promise<void> | undefined
  readonly #count: (outcome: string, records?: number) => void
  /** What is known of the database is no longer true: `start` begins anew. */
  #broken: unknown
  #control: PartitionControl | undefined

  constructor(parts: Working, topic: string, partition: number) {
    this.#parts = parts
    this.#topic = topic
    this.#partition = partition
    const { metrics, service } = parts
    const count = (outcome: string, records = 1) => metrics.consumed.add(records, { service: service.name, topic, outcome })
    this.#count = count
  }

  /** Where reading goes on: from the database, every time anew. */
  async start(): Promise<bigint | 'first'> {
    const found = await startOf(this.#parts, this.#topic, this.#partition)
    this.#mark = found.mark
    await this.#knowParked()
    return found.offset
  }

  async #knowParked(): Promise<void> {
    this.#parked = new Set(await this.#parkedHere())
  }

  async #parkedHere(): Promise<readonly string[]> {
    const parked = await this.#parts.ledger.parkedKeys()
    const isHere = (source: string) => source === this.#mark.source || source.startsWith(`${this.#topic}#`)
    return parked.filter(({ source, partition }) => isHere(source) && partition === (this.#parkedIn ?? partition)).map(({ key }) => key)
  }

  /** A stream may lie in another partition since the plan has grown, and may be parked in any; intake is parked where it lies. */
  get #parkedIn(): number | undefined {
    return isIntake(this.#topic) ? this.#partition : undefined
  }

  /** Undefined while something is on its way. */
  get known(): Known | undefined {
    const idle = !this.#handling && this.#storing === undefined && this.#broken === undefined && !this.#control?.signal.aborted
    return idle ? { topic: this.#topic, partition: this.#partition, source: this.#mark.source, position: this.#mark.stored } : undefined
  }

  /** Records were passed over, and those before them have not come yet. */
  get isMissing(): boolean {
    return this.#ahead !== undefined
  }

  /** In order; a rejection leaves everything up to the last committed record done. */
  async handle(batch: Iterable<StoredRecord>, control: PartitionControl): Promise<void> {
    await this.#storing
    if (this.#broken !== undefined) throw this.#broken
    this.#handling = true
    this.#control = control
    try {
      await this.#drained(() => this.#handle(batch, control))
    } catch (error) {
      this.#broken = error
      throw error
    } finally {
      this.#handling = false
    }
    // When it has ended: what is asked for while a batch is on its way is not done
    if (this.#waitingSince !== undefined) this.#parts.later()
    if (this.#receipts > 0) await rest(this.#parts.clock, control.signal)
  }

  /** Whatever happens: nothing is on its way any more when reading goes on, or begins anew. */
  async #drained(work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } finally {
      await this.#inFlight.drain()
    }
  }

  /** Stores what was of no interest, unless a batch is being handled, which does so itself. Never rejects. */
  async store(): Promise<void> {
    if (this.#waitingSince === undefined || this.#handling || this.#broken !== undefined || this.#control?.signal.aborted) return
    this.#storing ??= this.#drained(() => this.#flush()).catch((error: unknown) => {
      // Begins anew from what is stored: by the batch that has come meanwhile, or, as none may come, by itself
      this.#broken = error
      this.#control?.fail(error)
    })
    await this.#storing
    this.#storing = undefined
  }

  async #handle(batch: Iterable<StoredRecord>, control: PartitionControl): Promise<void> {
    let end = 0n
    let count = 0
    this.#receipts = 0
    for (const record of batch) {
      count += 1
      if (control.signal.aborted) return
      const goesOn = this.#read(record, control)
      // Waited for only where there is something to wait for: this is run for each record
      if (!(typeof goesOn === 'boolean' ? goesOn : await goesOn)) return
      end = record.offset + 1n
      if (this.#ahead === undefined) this.#nextOffset = end
    }
    // Where more is to be done, or much came at once, it goes on
    if (this.#receipts < count || count > plenty) this.#receipts = 0
    if (this.#ahead !== undefined || this.#isDue()) await this.#flush()
    if (this.#ahead !== undefined && end >= ((await this.#bounds())?.next ?? 0n)) this.#halt(control, this.#ahead)
  }

  /** What was of no interest has waited long enough. */
  #isDue(): boolean {
    if (this.#waitingSince === undefined) return false
    return this.#isAwaited || this.#waiting.length >= mostWaiting || this.#parts.clock.now() - this.#waitingSince >= storedWithinMs
  }

  /** False: the rest of the batch is not for now. */
  #read(record: StoredRecord, control: PartitionControl): boolean | Promise<boolean> {
    const known = noticed(this.#topic, record, this.#parts.table)
    if (known) return this.#notice(known)
    const decoded = this.#decode(record)
    if (!decoded) return true
    const { event, previous, position, epoch, after } = decoded
    if (epoch > this.#mark.epoch) return this.#readAnew(record, decoded, control)
    if (epoch < this.#mark.epoch || position <= this.#mark.seen) {
      this.#count('skipped')
      return true
    }
    if (previous !== undefined && previous !== this.#mark.seen) return this.#gap(position, previous, control)
    this.#ahead = undefined
    const taken = after ? this.#others(after).then(() => this.#take(record, event, position)) : this.#take(record, event, position)
    return taken ? taken.then(() => true) : true
  }

  #notice(one: Noticed): true {
    const { position, interest } = one
    if (position <= this.#mark.seen) this.#count('skipped')
    else {
      this.#mark.seen = position
      this.#waitingSince ??= this.#parts.clock.now()
      this.#waiting.push(one)
      if (interest) {
        this.#isAwaited = true
        this.#receipts += 1
      }
    }
    return true
  }

  async #readAnew(record: StoredRecord, chain: Chained, control: PartitionControl): Promise<boolean> {
    return (await this.#newEpoch(chain, control)) && this.#read(record, control)
  }

  /** Rejects until the other partitions were read up to there: earlier facts of the streams that come now may lie in them. */
  async #others(after: readonly number[]): Promise<void> {
    // They wait for this one, too
    await this.#flush()
    const unread = await unreadOf(this.#parts.ledger, { topic: this.#topic, partition: this.#partition, epoch: this.#mark.epoch }, after)
    if (unread.length > 0) throw new OtherPartitionsFirst(this.#topic, this.#partition, unread)
    // They may have parked what is followed here from now on
    await this.#knowParked()
  }

  #decode(record: StoredRecord): Chained | undefined {
    return readable(this.#topic, record, this.#parts.log, this.#count)
  }

  /** A restore made a new history beside the one that was read: it goes on from a position that we know, or there is a gap. */
  async #newEpoch({ epoch, previous, position }: Chained, control: PartitionControl): Promise<boolean> {
    await this.#flush()
    // The database went back with the ledger, and with it up to where was read: from there on it is read again, before the new history
    const { source, stored } = this.#mark
    const known = (await this.#parts.ledger.checkpoint(source, this.#partition))?.position ?? 0
    if (known !== stored) throw new CheckpointGap(source, this.#partition, known, stored)
    if (previous !== undefined && previous > this.#mark.seen) return this.#halt(control, position)
    this.#mark = { source: `${this.#topic}#${epoch}`, epoch, seen: previous ?? 0, stored: 0 }
    return true
  }

  /**
   * Once, from the first record that is there: a stored offset of a topic that was refilled looks like a gap and is none.
   * Then what is ahead is passed over: a replay has put the missing ones behind it, and all that follow them again.
   * Only where the end is reached without them the partition stands still.
   */
  async #gap(position: number, previous: number, control: PartitionControl): Promise<boolean> {
    this.#ahead ??= position
    if (this.#soughtAt === this.#mark.seen) return true
    await this.#flush()
    this.#soughtAt = this.#mark.seen
    const { log } = this.#parts
    log.warn(
      { topic: this.#topic, partition: this.#partition, seen: this.#mark.seen, previous },
      'a gap: reading once more from the first record',
    )
    control.seek((await this.#bounds())?.first ?? 0n)
    return false
  }

  async #bounds() {
    const all = await this.#parts.bus.bounds(this.#topic)
    return all.find(({ partition }) => partition === this.#partition)
  }

  #halt(control: PartitionControl, first: number): false {
    const wanted = this.#mark.seen + 1
    const reason = `${this.#topic}/${this.#partition}: read up to position ${this.#mark.seen}, the first that is there behind it is ${first}, and those between are missing; ${replayCommand(this.#topic, this.#partition, wanted)} ${missing}`
    this.#parts.log.error({ topic: this.#topic, partition: this.#partition, wanted, first }, `records are missing: ${reason}`)
    this.#count('gap')
    control.pause(reason)
    return false
  }

  /**
   * Facts of different keys are on their way together, and a reaction may read before what was read ahead of it is stored. Nothing rests
   * on that order: two keys can as well lie in two partitions, which two processes read. What has to see each other is recorded first and
   * met in the reaction to what was recorded, and who loses a unique key reads again. Facts of one key (a stream, an id of intake) come
   * one after the other, each when the one before it is stored.
   */
  #take(record: StoredRecord, event: Envelope, position: number): Promise<void> | undefined {
    const interest = this.#parts.table.interests.get(event.type)
    if (!interest) {
      this.#mark.seen = position
      this.#waitingSince ??= this.#parts.clock.now()
      if (isIntake(this.#topic)) this.#waiting.push({ record, event, position })
      else this.#count('of no interest')
      return undefined
    }
    if (this.#waiting.length > 0) return this.#begin().then(() => this.#add(record, event, position, interest))
    return this.#add(record, event, position, interest)
  }

  /** Intake of no interest is known by its id, too; in its order, ahead of what comes after it. */
  async #begin(): Promise<void> {
    this.#isAwaited = false
    for (const one of runsOf(this.#waiting.splice(0))) {
      if ('event' in one) await this.#add(one.record, one.event, one.position, undefined)
      else await this.#addNoted(one)
    }
  }

  #addNoted(run: readonly Noticed[]): Promise<void> | undefined {
    const keys = run.map(({ record }) => record.key)
    return this.#inFlight.add(keys, async (turn) => {
      const last = run.at(-1)
      if (last) await note(this.#noting(), run, this.#moved(last.record, last.position), turn)
    })
  }

  #noting(): NotingParts {
    const { ledger } = this.#parts
    return {
      ledger,
      count: this.#count,
      isParked: (key) => this.#parked.has(key),
      learnParked: async () => {
        for (const key of await this.#parkedHere()) this.#parked.add(key)
      },
      apply: async ({ record, position, interest }, checkpoint, turn) => {
        const decoded = this.#decode(record)
        if (decoded) await this.#process({ record, event: decoded.event, position, checkpoint }, interest, turn)
        else await submitTells(ledger, `${checkpoint.source}/${this.#partition}/${position}`, undefined, [], checkpoint)
      },
    }
  }

  /** Undefined: it is on its way. */
  #add(record: StoredRecord, event: Envelope, position: number, interest: Interest | undefined): Promise<void> | undefined {
    return this.#inFlight.add([record.key], (turn) => {
      const place = { record, event, position, checkpoint: this.#moved(record, position) }
      return processSpan(this.#parts.spanning, record, event, () => this.#process(place, interest, turn))
    })
  }

  /** All but its first try waits until what is ahead of it is stored. */
  async #process(place: Place, interest: Interest | undefined, turn: Turn): Promise<void> {
    const { record } = place
    if (this.#parked.has(record.key) && (await this.#waits(place))) {
      await turn.ahead.settled
      return this.#park(place, `behind an earlier record of ${record.key}`)
    }
    try {
      await inItsPlace(turn, () => this.#submit(place, interest, turn))
    } catch (error) {
      if (error instanceof DomainError && error.code === 'id_reused') await this.#conflict(place)
      else if (isTemporary(error)) throw error
      else return this.#park(place, reasonOf(error))
    }
  }

  #submit(place: Place, interest: Interest | undefined, turn: Turn): Promise<void> {
    const { ledger } = this.#parts
    const event = interest ? raised(interest, place.event) : place.event
    const fact = { event, interest, checkpoint: place.checkpoint, hash: this.#intakeHash(place) }
    return submitFact(ledger, fact, turn).then(({ duplicate }) => (duplicate ? this.#repeated(place) : this.#count('applied')))
  }

  /** Another owner was ahead, and may have parked it since we began: what follows under this key has to wait, too. */
  async #repeated({ record }: Place): Promise<void> {
    if (await this.#parts.ledger.isParked(this.#mark.source, this.#parkedIn, record.key)) this.#parked.add(record.key)
    this.#count('duplicate')
  }

  /** Whether it has to wait behind its key. Intake that was applied before and comes again does not: it would be applied once more. */
  async #waits({ record, event }: Place): Promise<boolean> {
    const { ledger } = this.#parts
    if (!(await ledger.isParked(this.#mark.source, this.#parkedIn, record.key))) return false
    return !isIntake(this.#topic) || (await ledger.known(event.id)) === undefined
  }

  #intakeHash({ record, event }: Pick<Place, 'record' | 'event'>): string | undefined {
    return isIntake(this.#topic) ? (contentHashOf(record) ?? contentHash(event)) : undefined
  }

  /** The first content of an id stands; whoever records conflicts is told. */
  async #conflict(place: Place): Promise<void> {
    const { service, ledger, log } = this.#parts
    const { event } = place
    log.warn(
      { topic: this.#topic, event: event.id, type: event.type },
      'another content under an id that was seen before: the first stands',
    )
    const tells = service.onConflict?.(event, 'id_reused') ?? []
    await submitTells(ledger, `${event.id}/conflict/${this.#intakeHash(place)}`, event, tells, place.checkpoint)
    this.#count('conflict')
  }

  async #park(place: Place, reason: string): Promise<void> {
    const { ledger, log } = this.#parts
    const { record, event } = place
    if (!(await ledger.park({ key: record.key, event, reason, hash: this.#intakeHash(place) }, place.checkpoint)))
      return this.#count('duplicate')
    log.error(
      { topic: this.#topic, partition: this.#partition, key: record.key, event: event.id, type: event.type, reason },
      'a fact could not be applied: its key is parked',
    )
    this.#parked.add(record.key)
    this.#count('parked')
  }

  /** The checkpoint as it will stand: where the position jumps over what was of no interest, it jumps with it. */
  #moved(record: StoredRecord, position: number): Checkpoint {
    const { source, stored } = this.#mark
    this.#mark.seen = Math.max(this.#mark.seen, position)
    this.#mark.stored = position
    if (position === this.#mark.seen) this.#waitingSince = undefined
    return { source, partition: this.#partition, previous: stored, position, nextOffset: record.offset + 1n }
  }

  /** Keeps what was read and was of no interest. */
  async #flush(): Promise<void> {
    await this.#begin()
    await this.#inFlight.drain()
    this.#waitingSince = undefined
    const { seen, stored, source } = this.#mark
    if (seen === stored) return
    const checkpoint = { source, partition: this.#partition, previous: stored, position: seen, nextOffset: this.#nextOffset }
    await submitTells(this.#parts.ledger, `${source}/${this.#partition}/${seen}`, undefined, [], checkpoint)
    this.#mark.stored = seen
  }
}
