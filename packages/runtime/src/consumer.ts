import { type Bus, type Clock, type Consumer, every, type Lag, OffsetOutOfRange, type Paused, realClock } from '@rondo/bus'
import { ConsumerPartition } from './consumer-partition.ts'
import { type Consuming, storedWithinMs } from './consumer-parts.ts'
import { missing } from './consumer-start.ts'
import { limiter } from './in-flight.ts'
import { isIntake } from './reaction-table.ts'

export interface RunningConsumer {
  /** Partitions that stand still, and why; empty: all is well. */
  readonly paused: Consumer['paused']
  /** Records between what was read and the ends of the partitions that this process reads, when it was last looked. */
  readonly lag: number
  resume(topic: string, partition: number): void
  stop(): Promise<void>
}

/** Milliseconds after which a partition with missing records looks whether a replay has brought them, and all whether the database went back. */
const lookAgainMs = 15_000

/** Reactions of a service that read at the same time: the writer and callers need some of its connections too. */
const mostReading = 5

const nobody: RunningConsumer = { paused: [], lag: 0, resume: () => undefined, stop: async () => undefined }

/** Intake has no ledger to be sent from again: only a person can decide to go on without what is lost. */
function told(service: string, paused: Paused, lost: OffsetOutOfRange | undefined): Paused {
  const { topic, partition, reason } = paused
  if (!lost || lost.message !== reason || !isIntake(topic)) return paused
  const { wanted, first } = lost.range
  const read = wanted > 0n ? `read up to offset ${wanted - 1n}` : 'nothing was read yet'
  const command = `rondo gap accept ${service} --topic ${topic} --partition ${partition} --why "<why>"`
  return {
    topic,
    partition,
    reason: `${reason}; ${read}, the first that is there is ${first}. What was lost cannot be sent again from here: let its senders send it again, and "${command}" ${missing}`,
  }
}

/** Partitions of which the database knows less than was stored in it: it went back (a restore, a failover) while nothing was to be read. */
async function wentBack(ledger: Consuming['ledger'], partitions: ReadonlyMap<string, ConsumerPartition>) {
  const before = [...partitions.values()].map((work) => ({ work, known: work.known }))
  const stored = new Map((await ledger.checkpoints()).map(({ source, partition, position }) => [`${source}/${partition}`, position]))
  return before.flatMap(({ work, known }) => {
    const quiet = known !== undefined && JSON.stringify(known) === JSON.stringify(work.known)
    return quiet && (stored.get(`${known.source}/${known.partition}`) ?? 0) < known.position ? [known] : []
  })
}

export const groupOf = (service: string): string => `rondo.${service}`

/** Together, so that the writer has one batch of them. */
function storingOf(partitions: ReadonlyMap<string, ConsumerPartition>, clock: Clock) {
  let cancel: (() => void) | undefined
  let stopped = false
  const all = async () => {
    await Promise.all([...partitions.values()].map((one) => one.store()))
  }
  return {
    later() {
      if (stopped) return
      cancel ??= clock.after(storedWithinMs, () => {
        cancel = undefined
        void all()
      })
    },
    /** What is read from now on is not stored before the next start; it is read once more then. */
    async stop() {
      stopped = true
      cancel?.()
      await all()
    },
  }
}

/** Reads the topics of the facts that the service's reactions and views want. */
export async function startConsumer(parts: Consuming): Promise<RunningConsumer> {
  const { service, table, ledger, bus, log, metrics } = parts
  if (table.topics.length === 0) return nobody
  const partitions = new Map<string, ConsumerPartition>()
  const reading = limiter(mostReading)
  const clock = parts.clock ?? realClock
  const storing = storingOf(partitions, clock)
  const at = (topic: string, partition: number) => `${topic}/${partition}`
  let behind = 0
  const onLag = (lags: readonly Lag[]) => {
    behind = lags.reduce((sum, { lag }) => sum + Number(lag), 0)
    for (const { topic, partition, lag } of lags) metrics.lag.record(Number(lag), { service: service.name, topic, partition })
  }
  // Errors can come before the first attempt has resolved.
  let consumer: Consumer | undefined
  const lost = new Map<string, OffsetOutOfRange>()
  // A partition that looks again for what is missing stands still until it has found it, or the next look: not well in between
  const lookedAt = new Map<string, Paused>()
  consumer = await bus.consume({
    group: groupOf(service.name),
    topics: table.topics,
    async start(topic, partition) {
      const work = new ConsumerPartition({ ...parts, clock, reading, later: storing.later }, topic, partition)
      partitions.set(at(topic, partition), work)
      return work.start()
    },
    async handle(batch, control) {
      const [first] = batch
      if (!first) return
      const place = at(first.topic, first.partition)
      const work = partitions.get(place)
      await work?.handle(batch, control)
      if (!work?.isMissing) lookedAt.delete(place)
    },
    onLag,
    onError(error, topic, partition) {
      if (error instanceof OffsetOutOfRange) {
        const { range } = error
        lost.set(at(range.topic, range.partition), error)
        // What the chain of positions says counts, and it is read from the first record that is there
        if (!isIntake(range.topic)) queueMicrotask(() => consumer?.resume(range.topic, range.partition))
      }
      log.warn({ err: error, topic, partition }, 'reading was interrupted; it is tried again')
      metrics.paused.record(consumer?.paused.length ?? 0, { service: service.name })
    },
  } satisfies Parameters<Bus['consume']>[0])
  const running = consumer
  const halted = () => running.paused.map((one) => told(service.name, one, lost.get(at(one.topic, one.partition))))
  const paused = () => {
    const now = halted()
    const places = new Set(now.map(({ topic, partition }) => at(topic, partition)))
    return [...now, ...[...lookedAt].flatMap(([place, one]) => (places.has(place) ? [] : [one]))]
  }
  const lookAgain = () => {
    lookedAt.clear()
    for (const one of halted().filter(({ reason }) => reason.includes(missing))) {
      lookedAt.set(at(one.topic, one.partition), one)
      running.resume(one.topic, one.partition)
    }
    wentBack(ledger, partitions).then(
      (behind) => {
        for (const { topic, partition } of behind) {
          log.warn({ topic, partition }, 'the database knows less of this partition than before: it is read again from there')
          running.resume(topic, partition)
        }
      },
      (error: unknown) => log.debug({ err: error }, 'the checkpoints could not be looked at'),
    )
  }
  const stopLooking = every(clock, lookAgainMs, lookAgain, 'aside')
  return {
    get paused() {
      return paused()
    },
    get lag() {
      return behind
    },
    resume(topic, partition) {
      lookedAt.delete(at(topic, partition))
      running.resume(topic, partition)
    },
    async stop() {
      stopLooking()
      await storing.stop()
      await running.stop()
    },
  }
}
