import type { Envelope } from '@rondo/kernel'

/** A row of the table of events. Positions are text, as the driver gives them; `data` is the stored document's own text. */
export interface EventText {
  readonly id: string
  readonly stream: string
  readonly stream_id: string
  readonly version: number
  readonly position: string
  readonly previous: string
  readonly partition: number
  readonly type: string
  readonly schema_version: number
  readonly data: string
  readonly occurred_at: string
  readonly recorded_at: string
  readonly actor: string
  readonly correlation_id: string
  readonly causation_id: string
  readonly traceparent: string | null
  readonly loop_ids: readonly string[]
}

/** In an attribute the quotes would be escaped, so this stands where the data begin and nowhere before. */
const dataMark = ',"data":'

/** The event as CloudEvents 1.0 in its JSON form, on one line. The data are not read, so that they come back byte for byte. */
export function lineOf(row: EventText): string {
  const attributes = {
    specversion: '1.0',
    id: row.id,
    source: `/rondo/${row.type.split('.')[1]}`,
    type: `${row.type}.v${row.schema_version}`,
    subject: `${row.stream}/${row.stream_id}`,
    time: row.occurred_at,
    datacontenttype: 'application/json',
    actor: row.actor,
    correlationid: row.correlation_id,
    causationid: row.causation_id,
    ...(row.traceparent === null ? {} : { traceparent: row.traceparent }),
    ...(row.loop_ids.length > 0 ? { loopids: row.loop_ids.map(encodeURIComponent).join(' ') } : {}),
    streamversion: row.version,
    position: row.position,
    previous: row.previous,
    partition: row.partition,
    recordedtime: row.recorded_at,
  }
  return `${JSON.stringify(attributes).slice(0, -1)}${dataMark}${row.data}}`
}

/** The row of a line. Throws where the line is none of `lineOf`. */
export function rowOf(line: string): EventText {
  const at = line.indexOf(dataMark)
  if (at < 0) throw new Error(`no event of an archive: ${line.slice(0, 200)}`)
  const attributes: Readonly<Record<string, string | number | undefined>> = JSON.parse(`${line.slice(0, at)}}`)
  const text = (name: string): string => {
    const value = attributes[name]
    if (typeof value !== 'string') throw new Error(`an event of an archive has no ${name}: ${line.slice(0, 200)}`)
    return value
  }
  const [, type = '', schema] = /^(.+)\.v(\d+)$/.exec(text('type')) ?? []
  const [stream = '', ...rest] = text('subject').split('/')
  return {
    id: text('id'),
    stream,
    stream_id: rest.join('/'),
    version: Number(attributes.streamversion),
    position: text('position'),
    previous: text('previous'),
    partition: Number(attributes.partition),
    type,
    schema_version: Number(schema),
    data: line.slice(at + dataMark.length, -1),
    occurred_at: text('time'),
    recorded_at: text('recordedtime'),
    actor: text('actor'),
    correlation_id: text('correlationid'),
    causation_id: text('causationid'),
    traceparent: attributes.traceparent === undefined ? null : text('traceparent'),
    loop_ids: attributes.loopids === undefined ? [] : text('loopids').split(' ').map(decodeURIComponent),
  }
}

export const envelopeOf = (row: EventText): Envelope => ({
  id: row.id,
  stream: row.stream,
  streamId: row.stream_id,
  version: row.version,
  position: Number(row.position),
  partition: row.partition,
  type: row.type,
  schemaVersion: row.schema_version,
  data: JSON.parse(row.data),
  occurredAt: row.occurred_at,
  recordedAt: row.recorded_at,
  actor: row.actor,
  correlationId: row.correlation_id,
  causationId: row.causation_id,
  ...(row.traceparent === null ? {} : { traceparent: row.traceparent }),
  loopIds: [...row.loop_ids],
})
