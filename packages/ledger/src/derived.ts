import type { AnyStream, Due, Instant } from '@rondo/kernel'

export interface KeyRow {
  readonly stream: string
  readonly name: string
  readonly value: string
  readonly id: string
  readonly is_unique: boolean
}
/** A key as it is stored: in the order of lists. */
export interface HeldRow extends KeyRow {
  readonly first_at: Instant
}
export interface TimerRow {
  readonly stream: string
  readonly stream_id: string
  readonly tell: string
  readonly due: string
}
export interface LoopRow {
  readonly loop_id: string
  readonly stream: string
  readonly stream_id: string
}

/** What is stored beside a state because it follows from it. */
export interface Derived {
  readonly keys: readonly KeyRow[]
  readonly timers: readonly TimerRow[]
  readonly loops: readonly LoopRow[]
}
const nothing: Derived = { keys: [], timers: [], loops: [] }

/** An event carries at most so many; the stream's index has all of them. */
const maxLoopIds = 100
const maxKeyLength = 1_000

export const loopIds = (stream: AnyStream, id: string, state: unknown): readonly string[] =>
  allLoopIds(stream, id, state).slice(0, maxLoopIds)

const allLoopIds = (stream: AnyStream, id: string, state: unknown): readonly string[] =>
  stream.loops ? [...new Set(stream.loops(state, id))] : []

/** A head or draft. They never change, and each is asked for several times in a batch: it keeps the answer. */
export interface Deriving {
  readonly state: unknown
  derived?: Derived | undefined
}

/** Keys, timers and loops of a head's state; none where the stream does not exist yet. */
export function derive(stream: AnyStream, id: string, head: Deriving | undefined): Derived {
  if (!head) return nothing
  head.derived ??= derivedFrom(stream, id, head.state)
  return head.derived
}

function derivedFrom(stream: AnyStream, id: string, state: unknown): Derived {
  if (isPlain(stream)) return nothing
  const unique: readonly string[] = stream.unique ?? []
  const keys = Object.entries(stream.keys).flatMap(([name, of]) =>
    [...new Set((of as (state: unknown) => readonly string[])(state))].map((value) => ({
      stream: stream.name,
      name,
      value: checked(stream, name, value),
      id,
      is_unique: unique.includes(name),
    })),
  )
  const timers = (stream.timers?.(state) ?? []).map(({ tell, at }: Due) => ({ stream: stream.name, stream_id: id, tell, due: at }))
  const loops = allLoopIds(stream, id, state).map((loop_id) => ({ loop_id, stream: stream.name, stream_id: id }))
  return { keys, timers, loops }
}

const isPlain = ({ keys, timers, loops }: AnyStream): boolean => {
  for (const _ in keys) return false
  return !timers && !loops
}

function checked(stream: AnyStream, name: string, value: string): string {
  if (value.length > maxKeyLength) throw new RangeError(`the key ${name} of a ${stream.name} is longer than ${maxKeyLength} characters`)
  return value
}

/** Rows of `from` that are not in `other`. */
function without<R extends object>(from: readonly R[], other: readonly R[]): readonly R[] {
  if (from.length === 0 || other.length === 0) return from
  const known = new Set(other.map((row) => JSON.stringify(row)))
  return from.filter((row) => !known.has(JSON.stringify(row)))
}

export interface Changes {
  readonly keys: readonly HeldRow[]
  readonly keys_gone: readonly KeyRow[]
  readonly timers: readonly TimerRow[]
  readonly timers_gone: readonly TimerRow[]
  /** Never taken away: the history keeps what ever belonged to the turn. */
  readonly loops: readonly LoopRow[]
}

/** Of one stream after the other. */
export class Changed implements Changes {
  readonly keys: HeldRow[] = []
  readonly keys_gone: KeyRow[] = []
  readonly timers: TimerRow[] = []
  readonly timers_gone: TimerRow[] = []
  readonly loops: LoopRow[] = []

  /** `firstAt`: of the stream, which never changes. */
  add(before: Derived, after: Derived, firstAt: Instant): void {
    if (before === nothing && after === nothing) return
    for (const key of without(after.keys, before.keys)) this.keys.push({ ...key, first_at: firstAt })
    this.keys_gone.push(...without(before.keys, after.keys))
    this.timers.push(...without(after.timers, before.timers))
    this.timers_gone.push(...without(before.timers, after.timers))
    this.loops.push(...without(after.loops, before.loops))
  }
}
