import type { EachBatchPayload, Consumer as KafkaConsumer } from 'kafkajs'
import { asError, BusError } from '../error.ts'
import { type PartitionWork, partitionWork } from '../partition-work.ts'
import type { Bounds, ConsumeOptions, Consumer, Lag, Log, Pace } from '../port.ts'
import { bounded } from '../time.ts'
import type { KafkaAdmin } from './admin.ts'
import type { KafkaClient } from './client.ts'
import { storedRecord } from './record.ts'

const sessionTimeout = 30_000
const heartbeatInterval = 3000
/** The longest that a resumed partition waits for the fetch under way, and the price of an idle consumer. */
const maxWaitTimeInMs = 500
/** A member that neither fetches nor handles for so long has died without saying so. */
const silence_ms = 90_000
const stopWithin_ms = 5000

const keyOf = (topic: string, partition: number): string => `${topic}/${partition}`

/** One consumer of the client. It is not restarted when it crashes: a new one takes its place, so that nothing of its state lives on. */
export function consumeKafka(client: KafkaClient, admin: KafkaAdmin, options: ConsumeOptions, pace: Pace, log: Log): Promise<Consumer> {
  const { group, topics, onError, onLag } = options
  const works = new Map<string, PartitionWork>()
  let current: KafkaConsumer | undefined
  let lastSign = Date.now()
  let crashes = 0
  let stopped = false
  let restartTimer: NodeJS.Timeout | undefined
  let watching: Promise<void> | undefined

  const createWork = (consumer: KafkaConsumer, topic: string, partition: number): PartitionWork => {
    // After a crash the client throws at whoever still holds the old consumer; its works are revoked then.
    const ifCurrent = (act: () => void) => {
      if (consumer === current) act()
    }
    const feed = {
      topic,
      partition,
      async bounds(): Promise<Bounds> {
        const bounds = (await admin.bounds(topic)).find((one) => one.partition === partition)
        if (bounds === undefined) throw new BusError('partition_mismatch', `${topic} has no partition ${partition}`, { topic, partition })
        return bounds
      },
      flow: (from: bigint) =>
        ifCurrent(() => {
          consumer.seek({ topic, partition, offset: String(from) })
          consumer.resume([{ topic, partitions: [partition] }])
        }),
      halt: () => ifCurrent(() => consumer.pause([{ topic, partitions: [partition] }])),
    }
    return partitionWork(options, feed, pace)
  }

  /** Runs before the first fetch after the group has come together: nothing is fetched until `start` has said from where. */
  const assign = (consumer: KafkaConsumer, assignment: Readonly<Record<string, readonly number[]>>): void => {
    lastSign = Date.now()
    crashes = 0
    const now = new Map(
      Object.entries(assignment).flatMap(([topic, own]) => own.map((partition) => [keyOf(topic, partition), { topic, partition }])),
    )
    for (const [key, work] of works) {
      if (now.has(key)) continue
      works.delete(key)
      void work.revoke()
    }
    for (const [key, { topic, partition }] of now) {
      const known = works.get(key)
      consumer.pause([{ topic, partitions: [partition] }])
      if (known !== undefined) known.rejoined()
      else {
        const work = createWork(consumer, topic, partition)
        works.set(key, work)
        work.begin()
      }
    }
  }

  const revokeAll = async (): Promise<void> => {
    const all = [...works.values()]
    works.clear()
    await bounded(Promise.all(all.map((work) => work.revoke())), stopWithin_ms)
  }

  const eachBatch = async ({ batch, resolveOffset, heartbeat, isStale }: EachBatchPayload): Promise<void> => {
    const { topic, partition } = batch
    const work = works.get(keyOf(topic, partition))
    if (work?.position === undefined || isStale()) return
    // The offset that this batch was asked for. The client may have gone elsewhere by itself: it does so when an offset is out of range.
    const { fetchedOffset } = batch as typeof batch & { fetchedOffset: string }
    if (BigInt(fetchedOffset) !== work.position) return work.suspect()
    // A rebalance that is told here is met again by the client itself, right after this batch.
    const beat = setInterval(() => heartbeat().catch(() => undefined), heartbeatInterval)
    const next = BigInt(batch.lastOffset()) + 1n
    const records = batch.messages.map((message) => storedRecord(topic, partition, message))
    await work.deliver(records, next)
    clearInterval(beat)
    if (work.position === next) resolveOffset(batch.lastOffset())
  }

  const listen = (consumer: KafkaConsumer): void => {
    const { GROUP_JOIN, FETCH, CRASH, END_BATCH_PROCESS } = consumer.events
    consumer.on(GROUP_JOIN, ({ payload }) => {
      if (consumer === current) assign(consumer, payload.memberAssignment)
    })
    consumer.on(FETCH, () => {
      lastSign = Date.now()
    })
    consumer.on(END_BATCH_PROCESS, ({ payload: { topic, partition, batchSize, lastOffset } }) => {
      // Only markers of transactions: the client moves on without asking.
      if (batchSize === 0) works.get(keyOf(topic, partition))?.skipTo(BigInt(lastOffset) + 1n)
    })
    consumer.on(CRASH, ({ payload }) => {
      if (consumer === current) void crashed(payload.error)
    })
  }

  const crashed = async (thrown: unknown): Promise<void> => {
    if (stopped) return
    current = undefined
    onError(new BusError('unavailable', `the consumer of ${group} failed: ${asError(thrown).message}`, { group }, { cause: thrown }))
    await revokeAll()
    const delay = Math.min(pace.retryMost, pace.retryFirst * 2 ** crashes)
    crashes += 1
    if (!stopped) restartTimer = setTimeout(() => void begin(), delay)
  }

  const begin = async (): Promise<void> => {
    lastSign = Date.now()
    const consumer = client.consumer({
      groupId: group,
      sessionTimeout,
      heartbeatInterval,
      maxWaitTimeInMs,
      allowAutoTopicCreation: false,
      retry: { retries: 4, restartOnFailure: async () => false },
    })
    current = consumer
    listen(consumer)
    try {
      await consumer.connect()
      await consumer.subscribe({ topics: [...topics], fromBeginning: true })
      await consumer.run({ autoCommit: false, eachBatchAutoResolve: false, partitionsConsumedConcurrently: 64, eachBatch })
    } catch (error) {
      await release(consumer)
      if (consumer === current) await crashed(error)
    }
  }

  const release = async (consumer: KafkaConsumer): Promise<void> => {
    try {
      await consumer.disconnect()
    } catch (error) {
      log('debug', `a consumer of ${group} could not be closed in order`, { error })
    }
  }

  const lags = async (): Promise<readonly Lag[]> => {
    const found: Lag[] = []
    for (const topic of new Set([...works.values()].map((work) => work.topic))) {
      for (const bounds of await admin.bounds(topic)) {
        const work = works.get(keyOf(topic, bounds.partition))
        const position = work?.position
        if (position === undefined) continue
        work?.check(bounds)
        found.push({ ...bounds, topic, position, lag: bounds.next - position })
      }
    }
    return found
  }

  /** Group offsets are for the eyes of lag dashboards; nothing is ever read from them. */
  const commitHint = async (found: readonly Lag[]): Promise<void> => {
    try {
      await current?.commitOffsets(found.map(({ topic, partition, position }) => ({ topic, partition, offset: String(position) })))
    } catch (error) {
      log('debug', `the group offsets of ${group} could not be told`, { error })
    }
  }

  const watch = async (): Promise<void> => {
    const consumer = current
    if (consumer === undefined) return
    if (Date.now() - lastSign > silence_ms) {
      await release(consumer)
      if (consumer === current) await crashed(new Error(`it was silent for ${silence_ms} ms`))
      return
    }
    try {
      const found = await lags()
      onLag?.(found)
      if (found.length > 0) await commitHint(found)
    } catch (error) {
      if (!stopped) onError(asError(error))
    }
  }

  const watchTimer = setInterval(() => {
    watching ??= watch().finally(() => {
      watching = undefined
    })
  }, pace.watch)

  const consumer: Consumer = {
    get paused() {
      return [...works.values()].flatMap(({ topic, partition, standsStill }) =>
        standsStill === undefined ? [] : [{ topic, partition, reason: standsStill }],
      )
    },
    resume(topic, partition) {
      works.get(keyOf(topic, partition))?.resume()
    },
    async stop() {
      if (stopped) return
      stopped = true
      clearInterval(watchTimer)
      clearTimeout(restartTimer)
      const last = current
      await revokeAll()
      current = undefined
      if (last !== undefined) await bounded(release(last), stopWithin_ms)
      await watching
    },
  }
  return begin().then(() => consumer)
}
