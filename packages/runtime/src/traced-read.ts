import { type Span, trace } from '@opentelemetry/api'
import type { AnyStream } from '@rondo/kernel'
import type { Guessing } from '@rondo/ledger'
import type { Read } from '@rondo/reaction'

/** A stream of turns that was read. */
export interface StreamRead {
  readonly stream: string
  readonly streamId: string
  readonly loopIds: readonly string[]
}

/** More than this are not kept: a fan-out reads hundreds, and spans have a bounded number of links. */
const mostReads = 100
const reads = new WeakMap<Span, StreamRead[]>()

/** What was read so far under a span. */
export const readUnder = (span: Span): readonly StreamRead[] => reads.get(span) ?? []

function note(span: Span, stream: AnyStream, id: string, state: unknown): void {
  const loopIds = stream.loops?.(state, id) ?? []
  if (loopIds.length === 0) return
  const known = reads.get(span) ?? []
  if (known.length < mostReads) reads.set(span, [...known, { stream: stream.name, streamId: id, loopIds }])
}

/** Notes which streams of turns are read, under the span of the handling or of the call: what they said had a part in what is told then. */
export function tracedRead(read: Read): Read {
  const recording = () => {
    const span = trace.getActiveSpan()
    return span?.isRecording() ? span : undefined
  }
  return {
    async load(stream, id) {
      const span = recording()
      const state = await read.load(stream, id)
      if (span) note(span, stream, id, state)
      return state
    },
    async loadAll(stream, ids) {
      const span = recording()
      const found = await read.loadAll(stream, ids)
      if (span) for (const { id, state } of found) note(span, stream, id, state)
      return found
    },
    async find(stream, key, values) {
      const span = recording()
      const found = await read.find(stream, key, values)
      if (span) for (const { id, state } of found) note(span, stream, id, state)
      return found
    },
    list: (stream, options) => read.list(stream, options),
    view: (view) => read.view(view),
  }
}

export const tracedGuessing = ({ read, again, rests }: Guessing): Guessing => ({ read: tracedRead(read), again: tracedRead(again), rests })
