import { asError, OffsetOutOfRange } from './error.ts'
import type { ConsumeOptions, Pace, PartitionControl, StoredRecord } from './port.ts'

/** What an adapter does for one assigned partition. */
export interface Feed {
  readonly topic: string
  readonly partition: number
  bounds(): Promise<{ readonly first: bigint; readonly next: bigint }>
  /** From now on the records from this offset are to be delivered. */
  flow(from: bigint): void
  /** From now on nothing is to be delivered. */
  halt(): void
}

type Standing =
  /** `start` is being asked. */
  | { readonly is: 'starting' }
  | { readonly is: 'flowing'; readonly position: bigint }
  | { readonly is: 'retrying'; readonly reason: string; readonly timer: NodeJS.Timeout }
  | { readonly is: 'paused'; readonly reason: string }
  | { readonly is: 'revoked' }

export interface PartitionWork {
  readonly topic: string
  readonly partition: number
  /** The offset wanted next, while records flow. */
  readonly position: bigint | undefined
  /** Why it stands still, if it does. */
  readonly standsStill: string | undefined
  /** Asks where to start, and lets records flow from there. */
  begin(): void
  /** As `begin`, but what was paused stays so: the group has come together anew and the partition stayed here. */
  rejoined(): void
  /** Hands over records from the position on; resolves when they were handled or have failed, never rejects. */
  deliver(records: readonly StoredRecord[], next: bigint): Promise<void>
  /** Nothing for the consumer lies between the position and this offset. */
  skipTo(next: bigint): void
  /** Compares the position with what there is. */
  check(bounds: { readonly first: bigint; readonly next: bigint }): void
  /** The engine went on from elsewhere than the position: finds out why, and goes back. */
  suspect(): void
  resume(): void
  /** Tells the signal, and waits until nothing is being handled. */
  revoke(): Promise<void>
}

/** The life of one assigned partition: where it starts, what a failure, a pause, a seek, a lost offset makes of it. The same for each adapter. */
export function partitionWork({ start, handle, onError }: ConsumeOptions, feed: Feed, pace: Pace): PartitionWork {
  const { topic, partition } = feed
  const revoked = new AbortController()
  let standing: Standing = { is: 'starting' }
  let attempt = 0
  let failures = 0
  let handling: Promise<void> | undefined
  let wish: { pause?: string; seek?: bigint } = {}

  const stand = (next: Standing): void => {
    if (standing.is === 'retrying') clearTimeout(standing.timer)
    standing = next
  }
  const isRevoked = () => revoked.signal.aborted

  const pause = (reason: string): void => {
    stand({ is: 'paused', reason })
    feed.halt()
  }

  const outOfRange = (wanted: bigint, { first, next }: { first: bigint; next: bigint }): boolean => {
    if (wanted >= first && wanted <= next) return false
    const error = new OffsetOutOfRange({ topic, partition, wanted, first, next })
    pause(error.message)
    onError(error, topic, partition)
    return true
  }

  const fail = (thrown: unknown): void => {
    const error = asError(thrown)
    const delay = Math.min(pace.retryMost, pace.retryFirst * 2 ** failures)
    failures += 1
    stand({ is: 'retrying', reason: `retried after: ${error.message}`, timer: setTimeout(() => goTo(undefined), delay) })
    feed.halt()
    onError(error, topic, partition)
  }

  /** Lets records flow from the offset, or from where `start` says. Only the last call counts. */
  const goTo = async (offset: bigint | undefined): Promise<void> => {
    attempt += 1
    const mine = attempt
    const isOver = () => isRevoked() || mine !== attempt
    stand({ is: 'starting' })
    feed.halt()
    try {
      await handling
      const wanted = offset ?? (await start(topic, partition))
      const bounds = await feed.bounds()
      if (isOver()) return
      const position = wanted === 'first' ? bounds.first : wanted
      if (outOfRange(position, bounds)) return
      stand({ is: 'flowing', position })
      feed.flow(position)
    } catch (error) {
      if (!isOver()) fail(error)
    }
  }

  const control: PartitionControl = {
    pause(reason) {
      if (handling !== undefined) wish = { pause: reason }
      else if (!isRevoked()) pause(reason)
    },
    seek(offset) {
      if (handling !== undefined) wish = { seek: offset }
      else if (!isRevoked()) void goTo(offset)
    },
    signal: revoked.signal,
  }

  /** What the batch wished for comes after it, also when it failed: a pause, then, must not be undone by the retry. */
  const afterBatch = (failed: { error: unknown } | undefined, next: bigint, mine: number): void => {
    if (isRevoked()) return
    const { pause: reason, seek } = wish
    if (failed === undefined) failures = 0
    if (failed !== undefined && reason !== undefined) onError(asError(failed.error), topic, partition)
    if (reason !== undefined) {
      attempt += 1
      pause(reason)
    } else if (mine !== attempt) {
      // Begun anew meanwhile: that waits for this batch and asks `start`.
      if (failed !== undefined) onError(asError(failed.error), topic, partition)
    } else if (failed !== undefined) fail(failed.error)
    else if (seek !== undefined) void goTo(seek)
    else stand({ is: 'flowing', position: next })
  }

  const handleBatch = async (records: readonly StoredRecord[]): Promise<{ error: unknown } | undefined> => {
    try {
      await handle(records, control)
      return undefined
    } catch (error) {
      return { error }
    }
  }

  return {
    topic,
    partition,
    get position() {
      return standing.is === 'flowing' ? standing.position : undefined
    },
    get standsStill() {
      return standing.is === 'paused' || standing.is === 'retrying' ? standing.reason : undefined
    },
    begin: () => void goTo(undefined),
    rejoined() {
      if (standing.is === 'paused') feed.halt()
      else void goTo(undefined)
    },
    async deliver(records, next) {
      if (standing.is !== 'flowing' || handling !== undefined) return
      const mine = attempt
      wish = {}
      const working = handleBatch(records)
      handling = working.then(() => undefined)
      const failed = await working
      handling = undefined
      afterBatch(failed, next, mine)
    },
    skipTo(next) {
      if (standing.is === 'flowing' && handling === undefined && next > standing.position) stand({ is: 'flowing', position: next })
    },
    check(bounds) {
      if (standing.is === 'flowing' && handling === undefined && outOfRange(standing.position, bounds)) attempt += 1
    },
    suspect() {
      if (standing.is === 'flowing' && handling === undefined) void goTo(standing.position)
    },
    resume() {
      if (standing.is === 'paused' || standing.is === 'retrying') void goTo(undefined)
    },
    async revoke() {
      revoked.abort()
      stand({ is: 'revoked' })
      await handling
    },
  }
}
