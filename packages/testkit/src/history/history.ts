/*
 * What callers were told, and what ledgers, topics and consumers hold when all has come to rest. Plain data: a simulation, a run against
 * real engines and a test written by hand fill in the same, and `violations` decides whether the promises held.
 * What is absent was not looked at, and is not judged.
 */

/** A ledger's event; an envelope is one. */
export interface LedgerEvent {
  readonly id: string
  readonly stream: string
  readonly streamId: string
  readonly version: number
  readonly position: number
  readonly partition: number
  /** Without the schema version: `rondo.builds.change.recorded`. */
  readonly type: string
  /** The message or event that caused it. */
  readonly causationId: string
}

export interface EventName {
  readonly stream: string
  readonly streamId: string
  readonly version: number
  readonly id: string
}

/** A message that its caller was told is recorded. */
export interface Acknowledged {
  readonly messageId: string
  readonly service: string
  /** What the caller was told was recorded. Empty: nothing had to be. Absent: at least one event caused by the message. */
  readonly events?: readonly EventName[]
  /** The version of each stream that its caller was told. */
  readonly results?: readonly { readonly streamId: string; readonly version: number }[]
  /** What at most one message may have got: `order/7@3` (the version it was asked on), `number A`. */
  readonly claims?: readonly string[]
}

/** A message that its caller was told is not recorded, for good. */
export interface Refused {
  readonly messageId: string
  readonly service: string
  readonly code: string
  /** Ids of events that the refusal itself leaves; absent: none. */
  readonly records?: readonly string[]
}

/** Nobody was told: it may be recorded, once at most. So is whoever was told `unavailable` and did not ask again. */
export interface Unknown {
  readonly messageId: string
  readonly service: string
}

/** An intake event (its id) that the bus has acknowledged. */
export interface AcknowledgedIntake {
  readonly messageId: string
  readonly topic: string
  readonly type: string
  /** By which it is ordered, and parked. */
  readonly key: string
}

export interface TopicRecord {
  readonly eventId: string
  readonly key: string
  /** In the ledger it comes from. Absent: intake. */
  readonly position?: number
  /** The position before it in its partition, as the record says. */
  readonly previous?: number
  /** Of the ledger when it was recorded. Absent: 1. */
  readonly epoch?: number
}

export interface TopicHistory {
  /** Whose ledger it carries. Absent: intake. */
  readonly service?: string
  /** By partition, in the order of offsets, duplicates included. */
  readonly partitions: readonly (readonly TopicRecord[])[]
}

export interface ConsumerHistory {
  /** What changes its state. Absent types: each event of the topic. */
  readonly reads: readonly { readonly topic: string; readonly types?: readonly string[] }[]
  /** Ids of the events that have changed its state, as often as they did, in that order. */
  readonly effects: readonly string[]
  /** What waits for a person. */
  readonly parked?: readonly { readonly eventId: string; readonly key: string }[]
  /** What a person has left out. */
  readonly skipped?: readonly string[]
  /** Events that cannot be applied. Absent: not known, and which are parked is not judged. */
  readonly poison?: readonly string[]
}

/** Who holds a unique key. */
export interface Holding {
  readonly service: string
  readonly stream: string
  readonly name: string
  readonly value: string
  readonly streamIds: readonly string[]
}

/** A state, or a view's row, as it lives and as it is when made again from the events; as texts, compared byte for byte. */
export interface Rebuilt {
  readonly service: string
  readonly what: string
  readonly live: string
  readonly rebuilt: string
}

/** A timer that was due while everything could run. */
export interface DueTimer {
  readonly service: string
  /** The id its unit has: `stream/id/tell/due`. */
  readonly id: string
  /** How many events it makes; 1 unless told. */
  readonly events?: number
  /** The version of its stream at which it was taken back: it need not fire, and must not from then on. */
  readonly takenBackAt?: number
}

export interface Restore {
  readonly service: string
  readonly noticed: boolean
  /** Positions that were sent with one content and then recorded with another. */
  readonly diverged: readonly number[]
  /** What was sent, and the older copy does not hold, with its epoch (absent: 1): consumers may have been changed by it, once. */
  readonly lost?: readonly (LedgerEvent & { readonly epoch?: number })[]
}

export interface History {
  readonly acknowledged: readonly Acknowledged[]
  readonly refused?: readonly Refused[]
  readonly unknown?: readonly Unknown[]
  readonly intake?: readonly AcknowledgedIntake[]
  /** By service, in the order in which they were read. */
  readonly ledgers: Readonly<Record<string, readonly LedgerEvent[]>>
  readonly topics: Readonly<Record<string, TopicHistory>>
  readonly consumers: Readonly<Record<string, ConsumerHistory>>
  readonly holdings?: readonly Holding[]
  readonly rebuilt?: readonly Rebuilt[]
  readonly timers?: readonly DueTimer[]
  readonly restores?: readonly Restore[]
}

/** The promises by their numbers in docs/guarantees.md. */
export const promises = {
  1: 'the events of an acknowledged message are in the ledger, once, in the order of their stream',
  2: 'an acknowledged intake message has its effect exactly once',
  3: 'every event of a ledger reaches the bus, first occurrences in stream order, and changes the state of each consumer exactly once',
  4: 'of two writers at one version or one unique key one succeeds',
  5: 'a poison event stops its key only, and is visible',
  6: 'a dependency that is down stops work and loses none',
  7: 'what is rebuilt equals what lives, byte for byte',
  8: 'a restored older backup is noticed and never silently diverges',
  9: 'a timer fires once',
} as const

export interface Violation {
  readonly promise: keyof typeof promises
  /** What is wrong, in words. */
  readonly what: string
}
