import type { Instant } from '@rondo/kernel'
import { DomainError, refuse } from '@rondo/kernel'
import { z } from 'zod'
import { parseJson, text } from '../json.ts'
import { type Adapted, pathOf, read } from './adapter.ts'
import { adaptCdevent } from './cdevents.ts'
import type { CloudEvent } from './cloudevent.ts'

type Headers = Readonly<Record<string, string | string[] | undefined>>

const uriReference = z
  .string()
  .min(1)
  .refine((value) => URL.canParse(value, 'https://relative.invalid') && !/\s/.test(value), 'a URI reference')
const attributes = z.looseObject({
  specversion: z.literal('1.0', 'CloudEvents "1.0" is read here (0.3 is not)'),
  id: z.string().min(1),
  source: uriReference,
  type: z.string().min(1),
  subject: z.string().min(1).optional(),
  time: z.string().optional(),
  datacontenttype: z.string().optional(),
})

/** JSON's null means "not set" in the JSON format. */
const withoutNulls = (value: unknown) =>
  value && typeof value === 'object' && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).filter(([key, item]) => item !== null || key === 'data'))
    : value

/** Attribute values in headers are percent-encoded, once; a value in quotes is a quoted string. */
function headerValue(name: string, value: string): string {
  const bare = /^".*"$/.test(value) ? value.slice(1, -1).replace(/\\(.)/g, '$1') : value
  try {
    return decodeURIComponent(bare.replace(/%(?![0-9a-fA-F]{2})/g, '%25'))
  } catch (error) {
    throw new DomainError('invalid', `${name}: "${value.slice(0, 80)}" is not percent-encoded UTF-8`, { path: name, cause: String(error) })
  }
}

/** Header bytes reach us as Latin-1; what is sent as raw UTF-8 is read as such. */
function binary(headers: Headers, body: Uint8Array): CloudEvent {
  const given = Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      name.startsWith('ce-') && typeof value === 'string' ? [[name.slice(3), headerValue(name, value)]] : [],
    ),
  )
  const known = attributesOf(given, (path) => `ce-${path}`)
  const datacontenttype = String(headers['content-type'] ?? 'application/json')
  return { ...known, datacontenttype, data: isJson(datacontenttype) ? parseJson(body) : text(body) }
}

const formerVersion = z.looseObject({ specversion: z.literal('0.3') })

function attributesOf(given: unknown, name: (path: string) => string, at: readonly PropertyKey[] = []) {
  const result = attributes.safeParse(given)
  if (result.success) return result.data
  const issues = result.error.issues.map((issue) => ({ path: name(pathOf([...at, ...issue.path])), message: issue.message }))
  const old = issues.some(({ message }) => message.includes('0.3')) && formerVersion.safeParse(given).success
  throw new DomainError(old ? 'unsupported' : 'invalid', issues.map(({ path, message }) => `${path}: ${message}`).join('; '), {
    path: issues[0]?.path ?? '',
  })
}

const isJson = (type: string) => /^application\/(json|[\w.-]+\+json)\b|^text\/json\b/i.test(type)

const structuredEvent = z.looseObject({ data: z.unknown(), data_base64: z.string().optional() })

function structured(raw: unknown, at: readonly PropertyKey[] = []): CloudEvent {
  const event = read(structuredEvent, withoutNulls(raw), at)
  const known = attributesOf(event, (path) => path, at)
  if (event.data_base64 !== undefined && event.data !== undefined)
    refuse('invalid', `${pathOf([...at, 'data_base64'])}: data and data_base64 exclude each other`, {
      path: pathOf([...at, 'data_base64']),
    })
  if (event.data_base64 === undefined) return { ...known, data: event.data }
  const bytes = Uint8Array.from(Buffer.from(event.data_base64, 'base64'))
  return { ...known, data: isJson(known.datacontenttype ?? 'application/json') ? parseJson(bytes) : text(bytes) }
}

/** The HTTP binding: binary, structured or batch, by content type. Throws where the message as a whole cannot be read. */
export function readCloudEvents(headers: Headers, body: Uint8Array): readonly { readonly raw: unknown; readonly read: () => CloudEvent }[] {
  const type = String(headers['content-type'] ?? '').toLowerCase()
  if (type.startsWith('application/cloudevents-batch+json')) {
    const batch = parseJson(body)
    if (!Array.isArray(batch)) refuse('invalid', 'the body: a batch is a JSON array of events', { path: '' })
    return (batch as unknown[]).map((raw, index) => ({ raw, read: () => structured(raw, [index]) }))
  }
  if (type.startsWith('application/cloudevents+json')) {
    const raw = parseJson(body)
    return [{ raw, read: () => structured(raw) }]
  }
  if (type.startsWith('application/cloudevents'))
    refuse('unsupported', `content-type: ${type} is not read here; use application/cloudevents+json or -batch+json`, {
      path: 'content-type',
    })
  if (!('ce-specversion' in headers) && !('ce-id' in headers) && !('ce-type' in headers))
    refuse(
      'invalid',
      'no CloudEvent: send Content-Type application/cloudevents+json or application/cloudevents-batch+json, or ce-id, ce-source, ce-type and ce-specversion headers',
      { path: 'content-type' },
    )
  return [{ raw: undefined, read: () => binary(headers, body) }]
}

/** A CloudEvent as observed facts, by its type. */
export function adaptCloudEvent(event: CloudEvent, now: Instant): Adapted {
  if (event.type.startsWith('dev.cdevents')) return adaptCdevent(event, now)
  throw new DomainError(
    'unsupported',
    `type: "${event.type}" is not read here; CDEvents (dev.cdevents.…) are. What has no CDEvent goes to rondo.intake.v1.Intake/Emit`,
    { path: 'type' },
  )
}
