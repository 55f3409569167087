import { BusError } from '../error.ts'
import type { Placed } from '../outbox.ts'
import type { Bounds, StoredRecord, TopicSpec } from '../port.ts'

interface Partition {
  first: bigint
  records: StoredRecord[]
}
interface Topic {
  readonly id: string
  readonly partitions: Partition[]
  maxBytes: number
}
export interface Held {
  readonly topic: string
  readonly partition: number
  /** Whether it is still meant for this member, or to be let go of. */
  readonly wanted: boolean
}
/** What a member is told unasked. */
export interface Ear {
  onRecords(topic: string): void
  onGroup(): void
}
interface Member {
  readonly topics: readonly string[]
  readonly ear: Ear
  seenAt: number
}
interface Group {
  readonly members: Map<string, Member>
  /** Who holds a partition (`topic/partition`). */
  readonly leases: Map<string, string>
}

/** Bytes of a batch without its records. */
const batchOverhead = 100
const maxBytes = 1 << 20
/** A member that gave no sign of life for so long is gone: its partitions go to others. */
const sessionMs = 10_000

/** Kafka as Rondo uses it, in memory: partitions, groups, and one clock. All that is asked of it is done at once and whole. */
export class ModelBroker {
  readonly #topics = new Map<string, Topic>()
  readonly #groups = new Map<string, Group>()
  readonly #now: () => number
  #made = 0

  /** Milliseconds since 1970, as the broker's clock shows them. */
  constructor(now: () => number = Date.now) {
    this.#now = now
  }

  ensure({ name, partitions }: TopicSpec): void {
    const there = this.#topics.get(name)
    if (!there) this.create(name, partitions)
    else if (there.partitions.length < partitions) this.#grow(there, partitions)
    else if (there.partitions.length > partitions)
      throw new BusError(
        'partition_mismatch',
        `topic ${name} has ${there.partitions.length} partitions, ${partitions} are wanted: it can only grow`,
        { topic: name, has: there.partitions.length, wanted: partitions },
      )
  }

  #grow({ partitions }: Topic, count: number): void {
    while (partitions.length < count) partitions.push({ first: 0n, records: [] })
  }

  create(name: string, partitions: number): void {
    this.#made += 1
    const made = Array.from({ length: partitions }, () => ({ first: 0n, records: [] }))
    this.#topics.set(name, { id: `topic-${this.#made}`, partitions: made, maxBytes })
    for (const group of this.#groups.values()) {
      for (const key of group.leases.keys()) if (key.startsWith(`${name}/`)) group.leases.delete(key)
      tellAll(group)
    }
  }

  limit(name: string, bytes: number): void {
    this.topic(name).maxBytes = bytes
  }

  topic(name: string): Topic {
    const topic = this.#topics.get(name)
    if (!topic) throw new BusError('unknown_topic', `there is no topic ${name}`, { topic: name })
    return topic
  }

  bounds(name: string): readonly Bounds[] {
    return this.topic(name).partitions.map((_, partition) => this.ends(name, partition))
  }

  ends(name: string, partition: number): Bounds {
    const { first, records } = this.partition(name, partition)
    return { partition, first, next: first + BigInt(records.length) }
  }

  partition(name: string, partition: number): Partition {
    const found = this.topic(name).partitions[partition]
    if (!found) throw new BusError('partition_mismatch', `${name} has no partition ${partition}`, { topic: name, partition })
    return found
  }

  read(name: string, partition: number, from: bigint, limit: number): readonly StoredRecord[] {
    const { first, records } = this.partition(name, partition)
    const start = from > first ? Number(from - first) : 0
    return records.slice(start, start + limit)
  }

  /** One request: what of it lies in one partition is written whole, in its order. */
  append(records: readonly Placed[], torn: (parts: number) => number | undefined): readonly bigint[] {
    this.#refuseLarge(records)
    const partitions = [...new Set(records.map(({ topic, partition }) => `${topic}/${partition}`))]
    const parts = torn(partitions.length)
    const taking = new Set(partitions.slice(0, parts ?? partitions.length))
    const offsets = records.map((one) => (taking.has(`${one.topic}/${one.partition}`) ? this.#push(one) : -1n))
    for (const topic of new Set(records.map(({ topic }) => topic))) this.#tellReaders(topic)
    if (parts !== undefined) throw new BusError('unavailable', `${parts} of ${partitions.length} partitions took it`)
    return offsets
  }

  deleteBefore(name: string, partition: number, before: bigint): void {
    const found = this.partition(name, partition)
    found.records = found.records.slice(Number(before - found.first))
    found.first = before
  }

  /** A sign of life of a member, which joins by its first; what it holds. */
  beat(groupName: string, id: string, topics: readonly string[], ear: Ear): readonly Held[] {
    const group = this.#groups.get(groupName) ?? { members: new Map(), leases: new Map() }
    this.#groups.set(groupName, group)
    const now = this.#now()
    const gone = [...group.members].filter(([other, { seenAt }]) => other !== id && now - seenAt > sessionMs)
    for (const [other] of gone) drop(group, other)
    const isNew = !group.members.has(id)
    group.members.set(id, { topics, ear, seenAt: now })
    if (isNew || gone.length > 0) tellAll(group, id)
    return this.#balance(group, id)
  }

  release(groupName: string, id: string, { topic, partition }: Held): void {
    const group = this.#groups.get(groupName)
    const key = `${topic}/${partition}`
    if (group?.leases.get(key) !== id) return
    group.leases.delete(key)
    tellAll(group)
  }

  leave(groupName: string, id: string): void {
    const group = this.#groups.get(groupName)
    if (!group) return
    drop(group, id)
    tellAll(group)
  }

  /** Every member is forgotten and has to join again. */
  forgetMembers(): void {
    for (const group of this.#groups.values()) for (const id of [...group.members.keys()]) drop(group, id)
  }

  #refuseLarge(records: readonly Placed[]): void {
    const sizes = new Map<string, number>()
    for (const { topic, partition, bytes } of records) {
      const key = `${topic}/${partition}`
      const size = (sizes.get(key) ?? batchOverhead) + bytes
      sizes.set(key, size)
      if (size > this.topic(topic).maxBytes) throw new BusError('too_large', `a batch of ${topic} takes ${size} bytes`, { topic })
    }
  }

  #push({ topic, partition, record }: Placed): bigint {
    const { first, records } = this.partition(topic, partition)
    const offset = first + BigInt(records.length)
    const { key, value, headers } = record
    records.push({ key, value, headers, topic, partition, offset, timestamp: new Date(this.#now()) })
    return offset
  }

  #tellReaders(topic: string): void {
    for (const { members } of this.#groups.values())
      for (const { topics, ear } of members.values()) if (topics.includes(topic)) ear.onRecords(topic)
  }

  /** Partitions in turn to the members that read them; one that another still holds is waited for. */
  #balance({ members, leases }: Group, id: string): readonly Held[] {
    const held: Held[] = []
    for (const [topic, { partitions }] of this.#topics) {
      const readers = [...members].flatMap(([member, { topics }]) => (topics.includes(topic) ? [member] : [])).sort()
      partitions.forEach((_, partition) => {
        const key = `${topic}/${partition}`
        const meant = readers[partition % readers.length]
        if (!leases.has(key) && meant === id) leases.set(key, id)
        if (leases.get(key) === id) held.push({ topic, partition, wanted: meant === id })
      })
    }
    return held
  }
}

function drop({ members, leases }: Group, id: string): void {
  members.delete(id)
  for (const [key, holder] of leases) if (holder === id) leases.delete(key)
}

function tellAll({ members }: Group, but?: string): void {
  for (const [id, { ear }] of members) if (id !== but) ear.onGroup()
}
