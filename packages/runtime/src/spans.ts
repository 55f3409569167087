import { type Attributes, context, type Link, type Span, SpanKind, SpanStatusCode, type Tracer, trace } from '@opentelemetry/api'
import type { Bus, BusRecord, Place, StoredRecord } from '@rondo/bus'
import { topicOfFact } from '@rondo/contracts/cloudevents'
import { stageSpan } from '@rondo/contracts/span-attributes'
import type { Envelope } from '@rondo/kernel'
import { isIntake } from './reaction-table.ts'
import { domainAttributes, loopAttributes, type SpanHead, userAttributes } from './span-event.ts'
import { spanContextOf } from './trace.ts'
import { handling } from './turn-spans.ts'

/** Who makes spans, and where their `rondo.url` leads. */
export interface Spanning {
  readonly tracer: Tracer
  readonly service: string
  /** Also the name of the consumer group. */
  readonly group: string
  /** `kafka` or `postgresql`. */
  readonly system: string
  readonly publicUrl: string
}

/** Backends show links by id only, and not from the other side: the same as attributes that can be searched. */
function cause({ traceparent }: SpanHead): { readonly links: Link[]; readonly attributes: Attributes } {
  const context = spanContextOf(traceparent)
  if (!context) return { links: [], attributes: {} }
  return { links: [{ context }], attributes: { 'rondo.cause.trace_id': context.traceId, 'rondo.cause.span_id': context.spanId } }
}

/** As the record says it: what comes from outside has no stream. */
const subjectOf = ({ stream, streamId }: SpanHead) => (stream === 'intake' ? streamId : `${stream}/${streamId}`)

/** By the semantic conventions for messaging and for CloudEvents. */
function attributesOf(
  { system, publicUrl }: Spanning,
  operation: 'send' | 'process',
  topic: string,
  key: string,
  event: SpanHead,
): Attributes {
  return {
    'messaging.system': system,
    'messaging.operation.name': operation,
    'messaging.operation.type': operation,
    'messaging.destination.name': topic,
    'messaging.message.id': event.id,
    'messaging.message.conversation_id': event.correlationId,
    'messaging.kafka.message.key': key,
    'cloudevents.event_id': event.id,
    'cloudevents.event_source': `/${event.type.split('.').slice(0, 2).join('/')}`,
    'cloudevents.event_type': `${event.type}.v${event.schemaVersion}`,
    'cloudevents.event_subject': subjectOf(event),
    'cloudevents.event_spec_version': '1.0',
    'rondo.correlation_id': event.correlationId,
    ...loopAttributes(event.loopIds, publicUrl),
    ...userAttributes(event.actor),
  }
}

const placeOf = (partition: number | undefined, offset: bigint | undefined): Attributes => ({
  ...(partition === undefined ? {} : { 'messaging.destination.partition.id': String(partition) }),
  ...(offset === undefined ? {} : { 'messaging.kafka.offset': Number(offset) }),
})

function failed(span: Span, error: unknown) {
  span.setAttribute('error.type', error instanceof Error ? error.name : 'unknown')
  span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.message : String(error) })
}

/** One short root span for the handling of one fact, with a link to where the fact was made. */
export function processSpan<Result>(
  spanning: Spanning,
  record: StoredRecord,
  event: Envelope,
  work: () => Promise<Result>,
): Promise<Result> {
  return spanning.tracer.startActiveSpan(`process ${record.topic}`, { root: true, kind: SpanKind.CONSUMER }, (span) => {
    // Nobody keeps it: what it is about need not be found out
    if (!span.isRecording()) return work()
    const { links, attributes } = cause(event)
    span.addLinks(links).setAttributes({
      ...attributesOf(spanning, 'process', record.topic, record.key, event),
      ...placeOf(record.partition, record.offset),
      ...attributes,
      'messaging.consumer.group.name': spanning.group,
      ...domainAttributes(event),
    })
    return ended(span, () => context.with(handling(event.loopIds), () => staged(spanning, event, work)))
  })
}

const kinds = { server: SpanKind.SERVER, internal: SpanKind.INTERNAL } as const

/** Under a span of its own where the conventions want one for what the fact tells of. */
function staged<Result>({ tracer, service }: Spanning, event: Envelope, work: () => Promise<Result>): Promise<Result> {
  const stage = stageSpan(event)
  if (!stage || stage.of !== service) return work()
  const options = { kind: kinds[stage.kind], attributes: domainAttributes(event) }
  return tracer.startActiveSpan(stage.name, options, (span) => ended(span, work))
}

async function ended<Result>(span: Span, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    failed(span, error)
    throw error
  } finally {
    span.end()
  }
}

/** What spans need of an event, read back from the record. */
function headOf({ headers }: BusRecord): SpanHead {
  const [, type = '', version = '0'] = /^(.+)\.v(\d+)$/.exec(headers.ce_type ?? '') ?? []
  const subject = headers.ce_subject ?? ''
  const [stream = '', ...rest] = isIntake(topicOfFact(type)) ? ['intake', subject] : subject.split('/')
  return {
    id: headers.ce_id ?? '',
    type,
    schemaVersion: Number(version),
    stream,
    streamId: rest.join('/'),
    actor: headers.ce_actor ?? '',
    correlationId: headers.ce_correlationid ?? '',
    loopIds: headers.ce_loopids?.split(' ').map(decodeURIComponent) ?? [],
    traceparent: headers.ce_traceparent,
  }
}

const dataOf = ({ value }: BusRecord): unknown => (value === null ? null : JSON.parse(new TextDecoder().decode(value)))

function sendSpan(spanning: Spanning, topic: string, record: BusRecord, place: Place | undefined, startTime: number, error: unknown) {
  const event = headOf(record)
  const { links, attributes } = cause(event)
  // Under a call it belongs to the call; the relay has no call and links to where the fact was made.
  const root = trace.getSpan(context.active()) === undefined
  const span = spanning.tracer.startSpan(`send ${topic}`, {
    root,
    kind: SpanKind.PRODUCER,
    startTime,
    links: root ? links : [],
    attributes: {
      ...attributesOf(spanning, 'send', topic, record.key, event),
      ...placeOf(place?.partition ?? record.partition, place?.offset),
      ...attributes,
    },
  })
  if (span.isRecording()) span.setAttributes(domainAttributes({ ...event, data: dataOf(record) }))
  if (error !== undefined) failed(span, error)
  span.end()
}

/** The bus, with a span for each record that is sent. */
export function tracedBus(bus: Bus, spanning: Spanning): Bus {
  return {
    ensure: (topics) => bus.ensure(topics),
    limit: (topic) => bus.limit(topic),
    last: (topic, partition, most) => bus.last(topic, partition, most),
    bounds: (topic) => bus.bounds(topic),
    topicId: (topic) => bus.topicId(topic),
    consume: (options) => bus.consume(options),
    close: () => bus.close(),
    async send(topic, records) {
      const start = Date.now()
      try {
        const places = await bus.send(topic, records)
        records.forEach((record, index) => {
          sendSpan(spanning, topic, record, places[index], start, undefined)
        })
        return places
      } catch (error) {
        for (const record of records) sendSpan(spanning, topic, record, undefined, start, error)
        throw error
      }
    },
  }
}
