import type { Bus, Consumer, Lag } from '@rondo/bus'
import { ConsumerPartition, type Consuming, missing } from './consumer-partition.ts'

export interface RunningConsumer {
  /** Partitions that stand still, and why; empty: all is well. */
  readonly paused: Consumer['paused']
  resume(topic: string, partition: number): void
  stop(): Promise<void>
}

/** Milliseconds after which a partition with missing records looks whether a replay has brought them. */
const lookAgainMs = 15_000

const nobody: RunningConsumer = { paused: [], resume: () => undefined, stop: async () => undefined }

export const groupOf = (service: string): string => `rondo.${service}`

/** Reads the topics of the facts that the service's reactions and views want. */
export async function startConsumer(parts: Consuming): Promise<RunningConsumer> {
  const { service, table, bus, log, metrics } = parts
  if (table.topics.length === 0) return nobody
  const partitions = new Map<string, ConsumerPartition>()
  const at = (topic: string, partition: number) => `${topic}/${partition}`
  const onLag = (lags: readonly Lag[]) => {
    for (const { topic, partition, lag } of lags) metrics.lag.record(Number(lag), { service: service.name, topic, partition })
  }
  // Errors can come before the first attempt has resolved.
  let consumer: Consumer | undefined
  consumer = await bus.consume({
    group: groupOf(service.name),
    topics: table.topics,
    async start(topic, partition) {
      const work = new ConsumerPartition(parts, topic, partition)
      partitions.set(at(topic, partition), work)
      return work.start()
    },
    async handle(batch, control) {
      const [first] = batch
      if (!first) return
      await partitions.get(at(first.topic, first.partition))?.handle(batch, control)
    },
    onLag,
    onError(error, topic, partition) {
      log.warn({ err: error, topic, partition }, 'reading was interrupted; it is tried again')
      metrics.paused.record(consumer?.paused.length ?? 0, { service: service.name })
    },
  } satisfies Parameters<Bus['consume']>[0])
  const running = consumer
  const looking = setInterval(() => {
    for (const { topic, partition, reason } of running.paused) if (reason.includes(missing)) running.resume(topic, partition)
  }, lookAgainMs)
  looking.unref()
  return {
    get paused() {
      return running.paused
    },
    resume: (topic, partition) => running.resume(topic, partition),
    async stop() {
      clearInterval(looking)
      await running.stop()
    },
  }
}
