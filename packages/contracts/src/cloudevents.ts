import type { Envelope } from '@rondo/kernel'

/** CloudEvents 1.0, Kafka protocol binding, binary mode: the attributes are headers `ce_…`, the value is the data as JSON. */
export interface CloudEventRecord {
  readonly key: string
  readonly value: Uint8Array
  readonly headers: Readonly<Record<string, string>>
  /** Where the ledger has put it; absent for intake, whose partition follows from the key. */
  readonly partition?: number
}

/** What the ledger knows of an event beside its envelope. */
export interface Chain {
  /** The position of the event before it in its partition; 0 for the first. */
  readonly previous: number
  /** Raised by a restore. */
  readonly epoch: number
  /**
   * The first event of a larger partition plan in its partition: by partition of the plan before, the position up to which that has to be
   * read before this one (0: it held nothing). An earlier event of its stream may lie there.
   */
  readonly after?: readonly number[]
}

/** A record as the bus gives it. */
export interface ReceivedRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  readonly key: string
  readonly value: Uint8Array | null
  readonly headers: Readonly<Record<string, string>>
  readonly timestamp: Date
}

/** An intake event as an adapter makes it: place and time of recording are given by the broker. */
export type IntakeEvent = Omit<Envelope, 'stream' | 'streamId' | 'version' | 'position' | 'partition' | 'recordedAt'> & {
  /** Of (source, id): all deliveries of one id lie in one partition. */
  readonly key: string
  /** Of what was sent, before persons were found in it: a duplicate stays one when somebody is mapped in between. */
  readonly contentHash?: string
}

export const intakeTopic = 'rondo.intake.v1'
export const topicOf = (service: string): string => `rondo.${service}.v1`
/** The topic that a fact type (`rondo.builds.change.recorded`) is read from. */
export const topicOfFact = (base: string): string => topicOf(base.split('.')[1] ?? '')

/** The record is not a CloudEvent as Rondo writes them. */
export class NotAnEvent extends Error {
  override readonly name = 'NotAnEvent'
}

type Common = Pick<
  Envelope,
  'id' | 'type' | 'schemaVersion' | 'occurredAt' | 'actor' | 'correlationId' | 'causationId' | 'traceparent' | 'loopIds'
>

const attributes = (event: Common, source: string, subject: string): Record<string, string> => ({
  'content-type': 'application/json',
  ce_specversion: '1.0',
  ce_id: event.id,
  ce_source: source,
  ce_type: `${event.type}.v${event.schemaVersion}`,
  ce_subject: subject,
  ce_time: event.occurredAt,
  ce_actor: event.actor,
  ce_correlationid: event.correlationId,
  ce_causationid: event.causationId,
  ...(event.traceparent ? { ce_traceparent: event.traceparent } : {}),
  ...(event.loopIds.length > 0 ? { ce_loopids: event.loopIds.map(encodeURIComponent).join(' ') } : {}),
})

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true })

const encode = (data: unknown): Uint8Array => encoder.encode(JSON.stringify(data))

/** A ledger's event as a record: the same from any relay, whenever it is sent. */
export function toRecord(event: Envelope, { previous, epoch, after }: Chain): CloudEventRecord {
  const subject = `${event.stream}/${event.streamId}`
  const headers = {
    ...attributes(event, `/rondo/${event.type.split('.')[1]}`, subject),
    ce_streamversion: String(event.version),
    ce_position: String(event.position),
    ce_previous: String(previous),
    ce_partition: String(event.partition),
    ce_epoch: String(epoch),
    ce_recordedtime: event.recordedAt,
    ...(after ? { ce_after: after.join(' ') } : {}),
  }
  return { key: subject, value: encode(event.data), headers, partition: event.partition }
}

/** An intake event as a record. */
export const toIntakeRecord = (event: IntakeEvent): CloudEventRecord => ({
  key: event.key,
  value: encode(event.data),
  headers: { ...attributes(event, '/rondo/intake', event.key), ...(event.contentHash ? { ce_contenthash: event.contentHash } : {}) },
})

/** What was sent, as the edge hashed it. */
export const contentHashOf = (record: ReceivedRecord): string | undefined => record.headers.ce_contenthash

export interface KnownBy {
  /** Without its version. */
  readonly type: string
  readonly id: string
  readonly hash: string
}

/** What a record from the edge is known by, without a look at what it says; undefined: what is missing for that has to be read. */
export function knownBy({ headers }: ReceivedRecord): KnownBy | undefined {
  const { ce_type: named, ce_id: id, ce_contenthash: hash } = headers
  const known = named ? typeCalled(named) : undefined
  return known && id && hash ? { type: known.type, id, hash } : undefined
}

function header(record: ReceivedRecord, name: string): string {
  const value = record.headers[name]
  if (value === undefined || value === '') {
    throw new NotAnEvent(
      `${record.topic}/${record.partition} offset ${record.offset} has no header ${name}: only CloudEvents as Rondo writes them are read`,
    )
  }
  return value
}

function count(record: ReceivedRecord, name: string): number {
  const value = Number(header(record, name))
  if (!Number.isSafeInteger(value) || value < 0)
    throw new NotAnEvent(`header ${name} of ${record.topic}/${record.partition} offset ${record.offset} is no count`)
  return value
}

function dataOf(record: ReceivedRecord): unknown {
  try {
    return JSON.parse(decoder.decode(record.value ?? new Uint8Array()))
  } catch (error) {
    throw new NotAnEvent(`the value of ${record.topic}/${record.partition} offset ${record.offset} is not JSON`, { cause: error })
  }
}

/** Undefined: it names no version. */
function typeOf(text: string): { readonly type: string; readonly schemaVersion: number } | undefined {
  const [, type, version] = /^(.+)\.v(\d+)$/.exec(text) ?? []
  return type && version ? { type, schemaVersion: Number(version) } : undefined
}

/** Few types stand in many records. */
const types = new Map<string, ReturnType<typeof typeOf>>()
const mostTypes = 1_000

function typeCalled(text: string): ReturnType<typeof typeOf> {
  const found = types.get(text) ?? typeOf(text)
  if (found && types.size < mostTypes) types.set(text, found)
  return found
}

function knownType(record: ReceivedRecord): NonNullable<ReturnType<typeof typeOf>> {
  const found = typeCalled(header(record, 'ce_type'))
  if (!found) throw new NotAnEvent(`ce_type of ${record.topic}/${record.partition} offset ${record.offset} names no version`)
  return found
}

type Placing = Pick<Envelope, 'stream' | 'streamId' | 'version' | 'position' | 'partition' | 'recordedAt'>

function envelopeOf(record: ReceivedRecord, { stream, streamId, version, position, partition, recordedAt }: Placing): Envelope {
  const { type, schemaVersion } = knownType(record)
  const { ce_traceparent: traceparent, ce_loopids: loopIds } = record.headers
  const event = {
    id: header(record, 'ce_id'),
    stream,
    streamId,
    version,
    position,
    partition,
    type,
    schemaVersion,
    data: dataOf(record),
    occurredAt: header(record, 'ce_time'),
    recordedAt,
    actor: header(record, 'ce_actor'),
    correlationId: header(record, 'ce_correlationid'),
    causationId: header(record, 'ce_causationid'),
    loopIds: loopIds?.split(' ').map(decodeURIComponent) ?? [],
  }
  return traceparent ? { ...event, traceparent } : event
}

/** A record of a service's topic. Throws NotAnEvent. */
export function fromRecord(record: ReceivedRecord): { readonly event: Envelope; readonly chain: Chain } {
  const subject = header(record, 'ce_subject')
  const slash = subject.indexOf('/')
  const event = envelopeOf(record, {
    stream: slash < 0 ? subject : subject.slice(0, slash),
    streamId: slash < 0 ? '' : subject.slice(slash + 1),
    version: count(record, 'ce_streamversion'),
    position: count(record, 'ce_position'),
    partition: count(record, 'ce_partition'),
    recordedAt: header(record, 'ce_recordedtime'),
  })
  const chain = { previous: count(record, 'ce_previous'), epoch: count(record, 'ce_epoch') }
  const after = record.headers.ce_after?.split(' ').map(Number)
  if (!after) return { event, chain }
  if (!after.every(Number.isSafeInteger))
    throw new NotAnEvent(`header ce_after of ${record.topic}/${record.partition} offset ${record.offset} holds no positions`)
  return { event, chain: { ...chain, after } }
}

/** A record of the intake topic: its position is the offset, its stream the record key. Throws NotAnEvent. */
export const fromIntakeRecord = (record: ReceivedRecord): Envelope =>
  envelopeOf(record, {
    stream: 'intake',
    streamId: record.key,
    version: 1,
    position: Number(record.offset),
    partition: record.partition,
    recordedAt: `${record.timestamp.toISOString().slice(0, -1)}000Z`,
  })
