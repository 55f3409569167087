import type { EachBatchPayload, Consumer as KafkaConsumer } from 'kafkajs'
import { asError, BusError } from '../error.ts'
import { type Ends, PartitionWork } from '../partition-work.ts'
import type { ConsumeOptions, Consumer, Lag, Log, Pace, Paused } from '../port.ts'
import { bounded } from '../time.ts'
import type { KafkaAdmin } from './admin.ts'
import { type KafkaClient, protocolError } from './client.ts'
import { storedRecords } from './record.ts'
import type { Watch } from './watch.ts'

const settings = {
  // After a crash the group waits so long for the member that is gone.
  sessionTimeout: 10_000,
  // A heartbeat follows a fetch: a member learns within both, three seconds, that the group comes together anew.
  heartbeatInterval: 1000,
  // The price of an idle consumer. Whatever is resumed, or stops, ends a fetch that waits (patches/kafkajs).
  maxWaitTimeInMs: 2000,
  /*
   * What a member holds of one fetch, before it is decoded to about five times that. Of two at most: while one is worked on the next is asked
   * for where there is more (our patch). A record or a batch that is larger comes all the same.
   */
  maxBytes: 1 << 20,
  maxBytesPerPartition: 256 << 10,
  allowAutoTopicCreation: false,
  fetchAhead: true,
}

/** A member that neither fetches nor joins for so long has died without saying so. */
const silence_ms = 90_000
const stopWithin_ms = 5000

/** What a broker answers while it starts or hands its groups over: not worth an alarm until it lasts. */
const settling = new Set(['GROUP_LOAD_IN_PROGRESS', 'GROUP_COORDINATOR_NOT_AVAILABLE', 'NOT_COORDINATOR_FOR_GROUP'])
const settlingMost = 6

const keyOf = (topic: string, partition: number): string => `${topic}/${partition}`

export interface KafkaParts {
  readonly client: KafkaClient
  readonly admin: KafkaAdmin
  readonly watch: Watch
  readonly pace: Pace
  readonly log: Log
}

/** A member of a group. A consumer of the client that crashed is not restarted: a new one takes its place, so that nothing of its state lives on. */
export class KafkaMember implements Consumer {
  readonly #parts: KafkaParts
  readonly #options: ConsumeOptions
  readonly #works = new Map<string, PartitionWork>()
  readonly #unwatch: () => void
  #current: KafkaConsumer | undefined
  #lastSign = Date.now()
  #crashes = 0
  /** Partitions of each topic when it was last looked. */
  readonly #counts = new Map<string, number>()
  #isGrown = false
  #stopped = false
  #restartTimer: NodeJS.Timeout | undefined
  #watching: Promise<void> | undefined
  /** The offsets that the group was told last. */
  #told = ''

  constructor(parts: KafkaParts, options: ConsumeOptions) {
    this.#parts = parts
    this.#options = options
    this.#unwatch = parts.watch.add(() => {
      this.#watching ??= this.#watch().finally(() => {
        this.#watching = undefined
      })
    })
  }

  get paused(): readonly Paused[] {
    return [...this.#works.values()].flatMap(({ topic, partition, standsStill }) =>
      standsStill === undefined ? [] : [{ topic, partition, reason: standsStill }],
    )
  }

  resume(topic: string, partition: number): void {
    this.#works.get(keyOf(topic, partition))?.resume()
  }

  async stop(): Promise<void> {
    if (this.#stopped) return
    this.#stopped = true
    this.#unwatch()
    clearTimeout(this.#restartTimer)
    const last = this.#current
    await this.#revokeAll()
    this.#current = undefined
    if (last !== undefined) await bounded(this.#release(last), stopWithin_ms)
    await this.#watching
  }

  /** Joins the group; never rejects: what fails is told and tried again. */
  async begin(): Promise<void> {
    this.#lastSign = Date.now()
    const { group, topics } = this.#options
    const consumer = this.#parts.client.consumer({
      groupId: group,
      ...settings,
      retry: { retries: 8, restartOnFailure: async () => false },
    })
    this.#current = consumer
    this.#listen(consumer)
    try {
      await consumer.connect()
      await consumer.subscribe({ topics: [...topics], fromBeginning: true })
      if (this.#stopped) return await this.#release(consumer)
      await consumer.run({
        autoCommit: false,
        eachBatchAutoResolve: false,
        partitionsConsumedConcurrently: 64,
        eachBatch: (payload) => this.#eachBatch(payload),
      })
      if (this.#stopped) await this.#release(consumer)
    } catch (error) {
      await this.#release(consumer)
      if (consumer === this.#current) await this.#crashed(error)
    }
  }

  #listen(consumer: KafkaConsumer): void {
    const { GROUP_JOIN, FETCH, CRASH, END_BATCH_PROCESS } = consumer.events
    consumer.on(GROUP_JOIN, ({ payload }) => {
      if (consumer === this.#current) this.#assign(consumer, payload.memberAssignment)
    })
    consumer.on(FETCH, () => {
      this.#lastSign = Date.now()
    })
    consumer.on(END_BATCH_PROCESS, ({ payload: { topic, partition, batchSize, lastOffset } }) => {
      // Only markers of transactions: the client moves on without asking.
      if (batchSize === 0) this.#works.get(keyOf(topic, partition))?.skipTo(BigInt(lastOffset) + 1n)
    })
    consumer.on(CRASH, ({ payload }) => {
      if (consumer === this.#current) void this.#crashed(payload.error)
    })
  }

  /** Runs before the first fetch after the group has come together: nothing is fetched until `start` has said from where. */
  #assign(consumer: KafkaConsumer, assignment: Readonly<Record<string, readonly number[]>>): void {
    this.#lastSign = Date.now()
    this.#crashes = 0
    const assigned = Object.entries(assignment).flatMap(([topic, own]) => own.map((partition) => ({ topic, partition })))
    const keys = new Set(assigned.map(({ topic, partition }) => keyOf(topic, partition)))
    for (const [key, work] of this.#works) {
      if (keys.has(key)) continue
      this.#works.delete(key)
      void work.revoke()
    }
    for (const { topic, partition } of assigned) {
      consumer.pause([{ topic, partitions: [partition] }])
      const known = this.#works.get(keyOf(topic, partition))
      if (known !== undefined) known.rejoined()
      else {
        const work = this.#createWork(consumer, topic, partition)
        this.#works.set(keyOf(topic, partition), work)
        work.begin()
      }
    }
  }

  #createWork(consumer: KafkaConsumer, topic: string, partition: number): PartitionWork {
    // After a crash the client throws at whoever still holds the old consumer; its works are revoked then.
    const ifCurrent = (act: () => void) => {
      if (consumer === this.#current) act()
    }
    const bounds = async (): Promise<Ends> => {
      const found = (await this.#parts.admin.bounds(topic)).find((one) => one.partition === partition)
      if (found === undefined) throw new BusError('partition_mismatch', `${topic} has no partition ${partition}`, { topic, partition })
      return found
    }
    const feed = {
      topic,
      partition,
      bounds,
      flow: (from: bigint) =>
        ifCurrent(() => {
          consumer.seek({ topic, partition, offset: String(from) })
          consumer.resume([{ topic, partitions: [partition] }])
        }),
      halt: () => ifCurrent(() => consumer.pause([{ topic, partitions: [partition] }])),
    }
    return new PartitionWork(this.#options, feed, this.#parts.pace)
  }

  async #eachBatch({ batch, resolveOffset, heartbeat, isStale }: EachBatchPayload): Promise<void> {
    const { topic, partition } = batch
    const work = this.#works.get(keyOf(topic, partition))
    if (work?.position === undefined || isStale()) return
    // The offset that this batch was asked for. The client may have gone elsewhere by itself: it does so when an offset is out of range.
    const { fetchedOffset } = batch as typeof batch & { readonly fetchedOffset: string }
    if (BigInt(fetchedOffset) !== work.position) return work.suspect()
    // A rebalance that is told here is met again by the client itself, right after this batch.
    const beat = setInterval(() => heartbeat().catch(() => undefined), settings.heartbeatInterval)
    const next = BigInt(batch.lastOffset()) + 1n
    await work.deliver(storedRecords(topic, partition, batch.messages), next)
    clearInterval(beat)
    if (work.position === next) resolveOffset(batch.lastOffset())
  }

  async #revokeAll(): Promise<void> {
    const all = [...this.#works.values()]
    this.#works.clear()
    await bounded(Promise.all(all.map((work) => work.revoke())), stopWithin_ms)
  }

  async #crashed(thrown: unknown): Promise<void> {
    if (this.#stopped) return
    const { group, onError } = this.#options
    const { retryFirst, retryMost } = this.#parts.pace
    this.#current = undefined
    const error = new BusError('unavailable', `the consumer of ${group} failed: ${asError(thrown).message}`, { group }, { cause: thrown })
    const settles = settling.has(protocolError(thrown) ?? '') && this.#crashes < settlingMost
    await this.#revokeAll()
    const delay = Math.min(retryMost, retryFirst * 2 ** this.#crashes)
    this.#crashes += 1
    if (!this.#stopped) this.#restartTimer = setTimeout(() => void this.begin(), delay)
    if (settles) this.#parts.log('info', error.message, { group })
    else onError(error)
  }

  async #release(consumer: KafkaConsumer): Promise<void> {
    try {
      await consumer.disconnect()
    } catch (error) {
      this.#parts.log('debug', `a consumer of ${this.#options.group} could not be closed in order`, { error })
    }
  }

  async #watch(): Promise<void> {
    const consumer = this.#current
    if (consumer === undefined) return
    if (Date.now() - this.#lastSign > silence_ms) {
      await this.#release(consumer)
      if (consumer === this.#current) await this.#crashed(new Error(`it was silent for ${silence_ms} ms`))
      return
    }
    try {
      const found = await this.#lags()
      if (this.#isGrown && consumer === this.#current) return await this.#rejoin(consumer)
      this.#options.onLag?.(found)
      if (found.length > 0) await this.#commitHint(found)
    } catch (error) {
      if (!this.#stopped) this.#options.onError(asError(error))
    }
  }

  /** A topic has more partitions than the client knows of: it deals them out when the group comes together anew. */
  async #rejoin(consumer: KafkaConsumer): Promise<void> {
    this.#isGrown = false
    this.#current = undefined
    await this.#revokeAll()
    await this.#release(consumer)
    if (!this.#stopped) await this.begin()
  }

  async #lags(): Promise<readonly Lag[]> {
    const found: Lag[] = []
    const before = new Map([...this.#works].map(([key, work]) => [key, work.position]))
    const topics = [...new Set([...this.#works.values()].map((work) => work.topic))]
    const bounds = await Promise.all(topics.map((topic) => this.#parts.admin.bounds(topic)))
    for (const [index, topic] of topics.entries()) {
      const all = bounds[index] ?? []
      if (all.length > (this.#counts.get(topic) ?? all.length)) this.#isGrown = true
      this.#counts.set(topic, all.length)
      for (const bounds of all) {
        const key = keyOf(topic, bounds.partition)
        const work = this.#works.get(key)
        work?.check(bounds, before.get(key))
        const position = work?.position
        if (position !== undefined) found.push({ ...bounds, topic, position, lag: bounds.next - position })
      }
    }
    return found
  }

  /** Group offsets are for the eyes of lag dashboards; nothing is ever read from them. */
  async #commitHint(found: readonly Lag[]): Promise<void> {
    const offsets = found.map(({ topic, partition, position }) => ({ topic, partition, offset: String(position) }))
    const told = JSON.stringify(offsets)
    if (told === this.#told || this.#current === undefined) return
    try {
      await this.#current.commitOffsets(offsets)
      this.#told = told
    } catch (error) {
      this.#parts.log('debug', `the group offsets of ${this.#options.group} could not be told`, { error })
    }
  }
}
