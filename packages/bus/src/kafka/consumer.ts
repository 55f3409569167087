import { asError, BusError } from '../error.ts'
import { type Ends, type Feed, PartitionWork } from '../partition-work.ts'
import type { ConsumeOptions, Consumer, Lag, Log, Pace, Paused } from '../port.ts'
import { bounded } from '../time.ts'
import type { KafkaAdmin } from './admin.ts'
import { type KafkaClient, protocolError } from './client.ts'
import { type Assigned, Membership, rebalance_ms } from './membership.ts'
import type { KafkaReader } from './reader.ts'
import type { Held, Want } from './want.ts'
import type { Watch } from './watch.ts'

const stopWithin_ms = 5000
/** What is not handled by then is handled on; who gets its partition meanwhile waits for nobody. */
const partWithin_ms = rebalance_ms / 2

/** What a broker answers while it starts or hands its groups over: not worth an alarm until it lasts. */
const settling = new Set(['GROUP_LOAD_IN_PROGRESS', 'GROUP_COORDINATOR_NOT_AVAILABLE', 'NOT_COORDINATOR_FOR_GROUP'])
const settlingMost = 6

const keyOf = (topic: string, partition: number): string => `${topic}/${partition}`

export interface KafkaParts {
  readonly client: KafkaClient
  readonly admin: KafkaAdmin
  readonly reader: KafkaReader
  /** The name that all members of the process have in their groups. */
  readonly process: string
  readonly watch: Watch
  readonly beats: Watch
  readonly pace: Pace
  readonly log: Log
}

/** A member of a group. A membership that has failed is not mended: a new one takes its place, so that nothing of its state lives on. */
export class KafkaMember implements Consumer {
  readonly #parts: KafkaParts
  readonly #options: ConsumeOptions
  readonly #works = new Map<string, PartitionWork>()
  readonly #wants = new Map<string, Want>()
  /** What is being handed over, in partitions that were taken away meanwhile, too. */
  readonly #delivering = new Set<Promise<void>>()
  readonly #held: Held = { bytes: 0 }
  readonly #unwatch: () => void
  #current: Membership | undefined
  /** The group is together, and its partitions may be read. */
  #isReading = false
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
    const unwatch = parts.watch.add(() => {
      this.#watching ??= this.#watch().finally(() => {
        this.#watching = undefined
      })
    })
    const unbeat = parts.beats.add(() => void this.#current?.beat())
    const unwatchAll = () => {
      unwatch()
      unbeat()
    }
    this.#unwatch = unwatchAll
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
    if (last !== undefined) await this.#release(last)
    await this.#watching
  }

  /** Joins the group; never rejects: what fails is told and tried again. */
  async begin(): Promise<void> {
    const { client, log, process } = this.#parts
    const { group, topics } = this.#options
    const ifCurrent = (act: () => void) => {
      if (membership === this.#current) act()
    }
    const membership: Membership = new Membership(client, log, {
      group,
      topics,
      process,
      parting: () => this.#part(),
      assigned: (assigned) => ifCurrent(() => this.#assign(assigned)),
      failed: (error) => ifCurrent(() => void this.#crashed(membership, error)),
    })
    this.#current = membership
    try {
      await membership.join()
    } catch (error) {
      if (membership === this.#current) await this.#crashed(membership, error)
    }
  }

  /** The group comes together anew: what is being handled comes to its end, and nothing more is read until it has. */
  async #part(): Promise<void> {
    this.#isReading = false
    for (const want of this.#wants.values()) want.end()
    await bounded(Promise.all(this.#delivering), partWithin_ms)
  }

  /** Nothing is read until `start` has said from where. */
  #assign(assigned: readonly Assigned[]): void {
    this.#crashes = 0
    this.#isReading = true
    const keys = new Set(assigned.map(({ topic, partition }) => keyOf(topic, partition)))
    for (const [key, work] of this.#works) {
      if (keys.has(key)) continue
      this.#works.delete(key)
      void work.revoke()
    }
    for (const { topic, partition } of assigned) {
      const known = this.#works.get(keyOf(topic, partition))
      if (known !== undefined) known.rejoined()
      else {
        const work = this.#createWork(topic, partition)
        this.#works.set(keyOf(topic, partition), work)
        work.begin()
      }
    }
  }

  #createWork(topic: string, partition: number): PartitionWork {
    const key = keyOf(topic, partition)
    const halt = () => this.#wants.get(key)?.end()
    const bounds = async (): Promise<Ends> => {
      const found = (await this.#parts.admin.bounds(topic)).find((one) => one.partition === partition)
      if (found === undefined) throw new BusError('partition_mismatch', `${topic} has no partition ${partition}`, { topic, partition })
      return found
    }
    const feed: Feed = {
      topic,
      partition,
      bounds,
      flow: (from) => {
        halt()
        if (this.#isReading) this.#wants.set(key, this.#parts.reader.want(topic, partition, from, sink, this.#held))
      },
      halt,
    }
    const work = new PartitionWork(this.#options, feed, this.#parts.pace)
    const sink = {
      deliver: (...batch: Parameters<PartitionWork['deliver']>) => this.#deliver(work, ...batch),
      skip: (next: bigint) => work.skipTo(next),
      suspect: () => work.suspect(),
      fault: (error: unknown) => work.fault(error),
    }
    return work
  }

  async #deliver(work: PartitionWork, ...batch: Parameters<PartitionWork['deliver']>): Promise<void> {
    const delivering = work.deliver(...batch)
    this.#delivering.add(delivering)
    await delivering
    this.#delivering.delete(delivering)
  }

  async #revokeAll(): Promise<void> {
    this.#isReading = false
    const all = [...this.#works.values()]
    this.#works.clear()
    await bounded(Promise.all(all.map((work) => work.revoke())), stopWithin_ms)
  }

  async #crashed(membership: Membership, thrown: unknown): Promise<void> {
    if (this.#stopped) return
    const { group, onError } = this.#options
    const { retryFirst, retryMost } = this.#parts.pace
    this.#current = undefined
    const error = new BusError('unavailable', `the consumer of ${group} failed: ${asError(thrown).message}`, { group }, { cause: thrown })
    const settles = settling.has(protocolError(thrown) ?? '') && this.#crashes < settlingMost
    await this.#revokeAll()
    await this.#release(membership)
    const delay = Math.min(retryMost, retryFirst * 2 ** this.#crashes)
    this.#crashes += 1
    if (!this.#stopped) this.#restartTimer = setTimeout(() => void this.begin(), delay)
    if (settles) this.#parts.log('info', error.message, { group })
    else onError(error)
  }

  async #release(membership: Membership): Promise<void> {
    try {
      await bounded(membership.leave(), stopWithin_ms)
    } catch (error) {
      this.#parts.log('debug', `the group ${this.#options.group} could not be left in order`, { error })
    }
  }

  async #watch(): Promise<void> {
    const membership = this.#current
    if (membership === undefined) return
    try {
      const found = await this.#lags()
      if (membership !== this.#current) return
      if (this.#isGrown) return await this.#rejoin(membership)
      this.#options.onLag?.(found)
      if (found.length > 0) await this.#commitHint(membership, found)
    } catch (error) {
      if (!this.#stopped) this.#options.onError(asError(error))
    }
  }

  /** A topic has more partitions than the group knows of: they are dealt out when it comes together anew. */
  async #rejoin(membership: Membership): Promise<void> {
    this.#isGrown = false
    this.#current = undefined
    await this.#revokeAll()
    await this.#release(membership)
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
  async #commitHint(membership: Membership, found: readonly Lag[]): Promise<void> {
    const offsets = found.map(({ topic, partition, position }) => ({ topic, partition, offset: position }))
    const told = offsets.map(({ topic, partition, offset }) => `${topic}/${partition}/${offset}`).join()
    if (told === this.#told) return
    try {
      await membership.commit(offsets)
      this.#told = told
    } catch (error) {
      this.#parts.log('debug', `the group offsets of ${this.#options.group} could not be told`, { error })
    }
  }
}
