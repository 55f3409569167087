import { randomUUID } from 'node:crypto'
import type { PartitionControl, StoredRecord } from '@rondo/bus'
import { NotAnEvent, topicOfFact } from '@rondo/contracts/cloudevents'
import type { Envelope } from '@rondo/kernel'
import { type ForeignFacts, ForeignMissing, type ForeignWanted, limiter } from '@rondo/ledger'
import { chained } from './consumer-record.ts'
import { isIntake, type ReactionTable, raised } from './reaction-table.ts'
import type { RunningService } from './running-service.ts'

/** A chain that was read up to a position, in the last of its epochs. */
interface Target {
  readonly epoch: number
  readonly position: number
}
const leftKey = (source: string, position: number) => `${source}/${position}`

/** By `topic/partition`: how far it was read, in the newest epoch of which something was. */
function targetsOf({ types, read }: ForeignWanted): ReadonlyMap<string, Target> {
  const topics = new Set(types.map(topicOfFact))
  const targets = new Map<string, Target>()
  for (const { source, partition, position } of read) {
    const [topic = '', epoch = '0'] = source.split('#')
    const key = `${topic}/${partition}`
    if (topics.has(topic) && Number(epoch) > (targets.get(key)?.epoch ?? 0)) targets.set(key, { epoch: Number(epoch), position })
  }
  return targets
}

/** One partition read again, by the rules by which it was read (see `ConsumerPartition`): duplicates and what is ahead of a gap are passed over. */
class Again {
  readonly #target: Target
  #epoch = 1
  #seen = 0

  constructor(target: Target) {
    this.#target = target
  }

  get isDone(): boolean {
    return this.#epoch > this.#target.epoch || (this.#epoch === this.#target.epoch && this.#seen >= this.#target.position)
  }

  get seen(): number {
    return this.#seen
  }

  /** Whether this is the record that comes next. */
  takes(epoch: number, previous: number, position: number): boolean {
    if (epoch > this.#epoch) {
      if (previous > this.#seen) return false
      this.#epoch = epoch
      this.#seen = previous
    }
    if (this.isDone || epoch < this.#epoch || previous !== this.#seen) return false
    this.#seen = position
    return true
  }
}

/** Facts of other services from their topics, up to where this service has read them: what its views are made of. */
export const foreignFacts =
  (parts: Pick<RunningService, 'service' | 'table' | 'bus'>): ForeignFacts =>
  async (wanted, each) => {
    if (wanted.types.map(topicOfFact).some(isIntake)) throw new ForeignMissing('it takes intake, which is kept for a time only')
    const targets = targetsOf(wanted)
    const topics = [...new Set([...targets.keys()].map((key) => key.slice(0, key.lastIndexOf('/'))))]
    if (topics.length === 0) return
    const ends = await endsOf(parts.bus, topics)
    for (const [key] of targets) if (ends.get(key)?.isEmpty ?? true) throw missing(key, 0)
    const rereading = new Rereading(parts.table, wanted, targets, ends, each)
    await reading(parts.bus, `rondo.${parts.service.name}.rebuild.${randomUUID()}`, topics, rereading)
  }

/** All partitions; what they give comes one at a time. */
class Rereading {
  readonly #table: ReactionTable
  readonly #types: ReadonlySet<string>
  readonly #left: ReadonlySet<string>
  readonly #open: Map<string, Again>
  readonly #ends: Ends
  readonly #each: (event: Envelope) => Promise<void>
  readonly #inTurn = limiter(1)
  readonly #done = Promise.withResolvers<void>()
  readonly #all: ReadonlyMap<string, Again>
  /** Resolves when any partition has moved on. */
  #moved = Promise.withResolvers<void>()

  constructor(
    table: ReactionTable,
    { types, left }: ForeignWanted,
    targets: ReadonlyMap<string, Target>,
    ends: Ends,
    each: (event: Envelope) => Promise<void>,
  ) {
    this.#table = table
    this.#types = new Set(types)
    // Not by partition: what follows a parked key waits with it, wherever a larger plan has put it
    this.#left = new Set(left.map(({ source, position }) => leftKey(source, position)))
    this.#all = new Map([...targets].map(([key, target]) => [key, new Again(target)]))
    this.#open = new Map(this.#all)
    this.#ends = ends
    this.#each = each
  }

  /** Resolves when everything was read; rejects where it cannot be. */
  get done(): Promise<void> {
    return this.#done.promise
  }

  fail(error: unknown): void {
    this.#done.reject(error)
  }

  async handle(batch: Iterable<StoredRecord>, control: PartitionControl): Promise<void> {
    const [first] = batch
    if (!first) return
    const key = `${first.topic}/${first.partition}`
    const again = this.#open.get(key)
    if (!again) return control.pause('all that was wanted of it was read')
    for (const record of batch) {
      if (!again.isDone) await this.#read(again, record)
      this.#moved.resolve()
      this.#moved = Promise.withResolvers()
      if (!again.isDone && record.offset + 1n >= (this.#ends.get(key)?.next ?? 0n)) throw missing(key, again.seen)
    }
    if (again.isDone) this.#open.delete(key)
    if (this.#open.size === 0) this.#done.resolve()
  }

  /** Where a larger partition plan begins: an earlier fact of a stream may lie in another partition. */
  async #others(again: Again, topic: string, after: readonly number[]): Promise<void> {
    const isBehind = (position: number, partition: number) => {
      const other = this.#all.get(`${topic}/${partition}`)
      return other !== undefined && other !== again && !other.isDone && other.seen < position
    }
    while (after.some(isBehind)) await Promise.race([this.#moved.promise, this.#done.promise])
  }

  async #read(again: Again, record: StoredRecord): Promise<void> {
    const found = eventOf(record)
    if (!found) return
    const { event, previous = 0, position, epoch, after = [] } = found
    await this.#others(again, record.topic, after)
    if (!again.takes(epoch, previous, position) || !this.#types.has(event.type)) return
    if (this.#left.has(leftKey(`${record.topic}#${epoch}`, position))) return
    const interest = this.#table.interests.get(event.type)
    if (interest) await this.#inTurn(() => this.#each(raised(interest, event)))
  }
}

/** Undefined: it is no event, and was left out the first time too. */
function eventOf(record: StoredRecord) {
  try {
    return chained(record.topic, record)
  } catch (error) {
    if (error instanceof NotAnEvent) return undefined
    throw error
  }
}

type Ends = ReadonlyMap<string, { readonly next: bigint; readonly isEmpty: boolean }>

async function endsOf(bus: RunningService['bus'], topics: readonly string[]): Promise<Ends> {
  const all = await Promise.all(topics.map(async (topic) => ({ topic, bounds: await bus.bounds(topic) })))
  return new Map(
    all.flatMap(({ topic, bounds }) =>
      bounds.map(({ partition, first, next }) => [`${topic}/${partition}`, { next, isEmpty: first === next }] as const),
    ),
  )
}

/** In a group of its own, so that nobody else's place moves; until it is done or fails for the first time. */
async function reading(bus: RunningService['bus'], group: string, topics: readonly string[], rereading: Rereading): Promise<void> {
  const consumer = await bus.consume({
    group,
    topics,
    start: async () => 'first',
    handle: (batch, control) =>
      rereading.handle(batch, control).catch((error: unknown) => {
        rereading.fail(error)
        control.pause('the reading has failed')
      }),
    onError: (error) => rereading.fail(new ForeignMissing(`${topics.join(', ')} cannot be read now: ${error.message}`, { cause: error })),
  })
  try {
    await rereading.done
  } finally {
    await consumer.stop()
  }
}

function missing(key: string, seen: number): ForeignMissing {
  const [, service = ''] = key.split('.')
  return new ForeignMissing(
    `${key} does not hold what was read of it behind position ${seen}: "rondo replay ${service} --from ${seen + 1}" brings it back, then again`,
  )
}
