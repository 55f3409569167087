import { type Link, SpanKind, SpanStatusCode } from '@opentelemetry/api'
import type { StoredRecord } from '@rondo/bus'
import type { Envelope } from '@rondo/kernel'
import { spanContextOf, tracer } from './trace.ts'

/** What spans of sending and handling a fact carry, by the semantic conventions for messaging and for CloudEvents. */
export const factAttributes = (topic: string, partition: number, key: string, event: Envelope) => ({
  'messaging.system': 'kafka',
  'messaging.destination.name': topic,
  'messaging.destination.partition.id': String(partition),
  'messaging.message.id': event.id,
  'messaging.message.conversation_id': event.correlationId,
  'messaging.kafka.message.key': key,
  'cloudevents.event_id': event.id,
  'cloudevents.event_source': `/${event.type.split('.').slice(0, 2).join('/')}`,
  'cloudevents.event_type': `${event.type}.v${event.schemaVersion}`,
  'cloudevents.event_subject': `${event.stream}/${event.streamId}`,
  'cloudevents.event_spec_version': '1.0',
  'rondo.correlation_id': event.correlationId,
  ...(event.loopIds.length > 0 ? { 'rondo.loop.id': [...event.loopIds] } : {}),
})

/** Backends show links by id only, and not from the other side: the same as attributes that can be searched. */
export function cause(event: Envelope): { readonly links: Link[]; readonly attributes: Record<string, string> } {
  const context = spanContextOf(event.traceparent)
  if (!context) return { links: [], attributes: {} }
  return { links: [{ context }], attributes: { 'rondo.cause.trace_id': context.traceId, 'rondo.cause.span_id': context.spanId } }
}

/** One short root span for the handling of one fact. */
export function processSpan<Result>(record: StoredRecord, event: Envelope, group: string, work: () => Promise<Result>): Promise<Result> {
  const { links, attributes } = cause(event)
  const options = {
    root: true,
    kind: SpanKind.CONSUMER,
    links,
    attributes: {
      ...factAttributes(record.topic, record.partition, record.key, event),
      ...attributes,
      'messaging.operation.name': 'process',
      'messaging.operation.type': 'process',
      'messaging.consumer.group.name': group,
      'messaging.kafka.offset': Number(record.offset),
    },
  }
  return tracer().startActiveSpan(`process ${record.topic}`, options, async (span) => {
    try {
      return await work()
    } catch (error) {
      span.setAttribute('error.type', error instanceof Error ? error.name : 'unknown')
      span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.message : String(error) })
      throw error
    } finally {
      span.end()
    }
  })
}
