import { type Attributes, context, createContextKey, type Link, type Span, trace } from '@opentelemetry/api'
import { suppressTracing } from '@opentelemetry/core'
import type { Spanned } from '@rondo/contracts/span-attributes'
import { DomainError, type Envelope } from '@rondo/kernel'
import type { Applied, Ledger, Unit, UpTo } from '@rondo/ledger'
import { domainAttributes, loopAttributes, userAttributes } from './span-event.ts'
import { activeTraceparent, spanContextOf } from './trace.ts'
import { readUnder } from './traced-read.ts'

/*
 * A fact has one cause, so causes alone make a tree for each call from outside: the alert's, the commit's, the approval's. They meet where a
 * stream of a turn takes what each of them brought, or is consulted. So a span that tells of a turn is linked to those that appended before to the
 * streams it appends to, and to those it has read.
 */

/** Loop ids of the fact that is being handled. */
const handled = createContextKey('loop ids of the handled fact')
export const handling = (loopIds: readonly string[]) => context.active().setValue(handled, loopIds)
const loopsHandled = (): readonly string[] => (context.active().getValue(handled) as readonly string[] | undefined) ?? []

/** More streams than this are not linked to: spans keep a bounded number of links. */
const mostLinks = 16

interface Links {
  readonly links: Link[]
  readonly attributes: Attributes
}

/** Backends show links by id only, and not from the other side: the first as attributes too. */
function linksTo(traceparents: readonly string[]): Links {
  const links = traceparents.flatMap((one) => {
    const linked = spanContextOf(one)
    return linked ? [{ context: linked, attributes: { 'rondo.link': 'before' } }] : []
  })
  const [first] = links
  return {
    links,
    attributes: first ? { 'rondo.before.trace_id': first.context.traceId, 'rondo.before.span_id': first.context.spanId } : {},
  }
}

async function linkBefore(span: Span, ledger: Ledger, streams: readonly UpTo[]): Promise<void> {
  if (streams.length === 0) return
  try {
    const quietly = suppressTracing(context.active())
    const own = activeTraceparent() ?? ''
    const { links, attributes } = linksTo(await context.with(quietly, () => ledger.tracesBefore(streams.slice(0, mostLinks), own)))
    span.addLinks(links).setAttributes(attributes)
  } catch (error) {
    // What was decided is decided: a trace with a gap must not make it look otherwise
    span.addEvent('what came before could not be looked up', { 'error.type': error instanceof Error ? error.name : 'unknown' })
  }
}

/** Streams of a turn that had events before those that a message appended. */
const continued = (events: readonly (readonly Envelope[])[]): readonly UpTo[] =>
  events.flatMap((written) => {
    const [first] = written
    if (!first || first.version === 1 || written.every(({ loopIds }) => loopIds.length === 0)) return []
    return [{ stream: first.stream, streamId: first.streamId, upTo: first.version - 1 }]
  })

/** Streams of the same turn that were read before anything was told. */
const consulted = (span: Span, loopIds: readonly string[]): readonly UpTo[] =>
  readUnder(span).filter((one) => one.loopIds.some((id) => loopIds.includes(id)))

/** Of a stream that was read and appended to, what it was read for. */
const once = (streams: readonly UpTo[]): readonly UpTo[] =>
  [...new Map(streams.toReversed().map((one) => [`${one.stream}/${one.streamId}`, one])).values()].reverse()

/** Who asked, of what. Of two facts that say the same, the first counts. */
const asked = ({ cause }: Unit, about: readonly Spanned[]): Attributes => ({
  ...Object.assign({}, ...about.map(domainAttributes).reverse()),
  ...userAttributes(cause.actor),
  'rondo.correlation_id': cause.correlationId,
})

async function describeApplied(span: Span, ledger: Ledger, unit: Unit, { results }: Applied, publicUrl: string): Promise<void> {
  const written = results.map(({ events }) => events)
  const events = written.flat()
  if (!unit.checkpoint) span.setAttributes(asked(unit, events))
  if (events.length === 0) return
  const loopIds = [...new Set([...loopsHandled(), ...events.flatMap((event) => event.loopIds)])]
  span.setAttributes(loopAttributes(loopIds, publicUrl))
  await linkBefore(span, ledger, once([...continued(written), ...consulted(span, loopIds)]))
}

/** A refusal may have left facts, which are not told here: it is linked to what it was refused upon. */
async function describeRefused(span: Span, ledger: Ledger, unit: Unit): Promise<void> {
  const streams = unit.messages.map(({ stream, id }) => ({ stream: stream.name, streamId: id, ofTurn: stream.loops !== undefined }))
  const about = streams.map(({ stream, streamId }) => ({ type: '', stream, streamId, data: undefined }))
  span.setAttributes(asked(unit, about))
  await linkBefore(
    span,
    ledger,
    streams.filter(({ ofTurn }) => ofTurn),
  )
}

/** The ledger, with what was told (in which turn, after what) on the span of the call or of the handling. */
export function tracedSubmit(ledger: Ledger, publicUrl: string): Ledger['submit'] {
  return async (unit) => {
    const span = trace.getActiveSpan()
    if (!span?.isRecording()) return ledger.submit(unit)
    try {
      const applied = await ledger.submit(unit)
      if (!applied.duplicate) await describeApplied(span, ledger, unit, applied, publicUrl)
      return applied
    } catch (error) {
      if (error instanceof DomainError && !unit.checkpoint) await describeRefused(span, ledger, unit)
      throw error
    }
  }
}
