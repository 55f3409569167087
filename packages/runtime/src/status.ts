import { Metadata, type ServiceError, type StatusObject, status } from '@grpc/grpc-js'
import { type Details, DomainError, type ErrorCode, errorCodes, retryAfterMs } from '@rondo/kernel'
import protobuf from 'protobufjs'

/** google.rpc.Status and the details that gRPC clients know how to read. */
const { root: rpc } = protobuf.parse(
  `syntax = "proto3";
  package google.rpc;
  message Any { string type_url = 1; bytes value = 2; }
  message Status { int32 code = 1; string message = 2; repeated Any details = 3; }
  message ErrorInfo { string reason = 1; string domain = 2; map<string, string> metadata = 3; }
  message BadRequest {
    message FieldViolation { string field = 1; string description = 2; }
    repeated FieldViolation field_violations = 1;
  }
  message Duration { int64 seconds = 1; int32 nanos = 2; }
  message RetryInfo { Duration retry_delay = 1; }`,
  { keepCase: true },
)
rpc.resolveAll()
const message = (name: string) => rpc.lookupType(`google.rpc.${name}`)
const any = (name: string, value: object) => ({
  type_url: `type.googleapis.com/google.rpc.${name}`,
  value: message(name).encode(message(name).fromObject(value)).finish(),
})

const trailer = 'grpc-status-details-bin'
const domain = 'rondo'
/** HTTP/2 peers commonly take 8 KiB of headers; the rest of a long refusal stays with us. */
const longestText = 1500
const longestDetails = 3000

const cut = (text: string, most: number) => (text.length > most ? `${text.slice(0, most - 1)}…` : text)

/** Details as text: each value as JSON, as many as fit. */
function metadataOf(details: Details): Record<string, string> {
  let left = longestDetails
  const entries = Object.entries(details).flatMap(([name, value]) => {
    const text = value === undefined ? undefined : JSON.stringify(value)
    if (text === undefined || text.length > left) return []
    left -= text.length
    return [[name, text] as const]
  })
  return Object.fromEntries(entries)
}

function retry(refusal: DomainError) {
  const ms = retryAfterMs(refusal)
  return ms === undefined ? [] : [any('RetryInfo', { retry_delay: { seconds: Math.floor(ms / 1000), nanos: (ms % 1000) * 1e6 } })]
}

/** A refusal as gRPC carries it: status, sentence, and google.rpc.Status (ErrorInfo, BadRequest, RetryInfo) in the trailer. */
export function toStatus(refusal: DomainError): StatusObject {
  const { code, message: sentence, details } = refusal
  const number = status[errorCodes[code].grpc]
  const text = cut(sentence, longestText)
  const info = any('ErrorInfo', { reason: code.toUpperCase(), domain, metadata: metadataOf(details) })
  const bad = details.path === undefined ? [] : [any('BadRequest', { field_violations: [{ field: details.path, description: text }] })]
  const whole = message('Status').encode(
    message('Status').fromObject({ code: number, message: text, details: [info, ...bad, ...retry(refusal)] }),
  )
  const metadata = new Metadata()
  metadata.set(trailer, Buffer.from(whole.finish()))
  return { code: number, details: text, metadata }
}

const codes = Object.keys(errorCodes) as readonly ErrorCode[]

/** What a status without our details means: the gRPC library's own (deadline, too large, unreachable). */
const plain: Partial<Record<number, ErrorCode>> = {
  [status.INVALID_ARGUMENT]: 'invalid',
  [status.UNAUTHENTICATED]: 'unauthenticated',
  [status.PERMISSION_DENIED]: 'forbidden',
  [status.NOT_FOUND]: 'not_found',
  [status.RESOURCE_EXHAUSTED]: 'too_large',
  [status.UNIMPLEMENTED]: 'unsupported',
  [status.UNAVAILABLE]: 'unavailable',
  [status.DEADLINE_EXCEEDED]: 'timed_out',
  [status.CANCELLED]: 'timed_out',
  [status.ABORTED]: 'conflict',
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

interface Info {
  readonly reason: string
  readonly domain: string
  readonly metadata: Readonly<Record<string, string>>
}

function infoOf(error: Pick<ServiceError, 'metadata'>): Info | undefined {
  const [bytes] = error.metadata?.get(trailer) ?? []
  if (!Buffer.isBuffer(bytes)) return undefined
  const { details } = message('Status').toObject(message('Status').decode(bytes), { arrays: true }) as {
    details: { type_url: string; value: Uint8Array }[]
  }
  const found = details.find(({ type_url }) => type_url.endsWith('/google.rpc.ErrorInfo'))
  return found && (message('ErrorInfo').toObject(message('ErrorInfo').decode(found.value), { objects: true, defaults: true }) as Info)
}

/** The refusal that a gRPC call ended with, as it was on the other side. */
export function fromStatus(error: Pick<ServiceError, 'code' | 'details' | 'metadata'>): DomainError {
  const info = infoOf(error)
  const code = codes.find((one) => info?.domain === domain && one.toUpperCase() === info.reason)
  if (!code) return new DomainError(plain[error.code] ?? 'internal', error.details)
  const details = Object.fromEntries(Object.entries(info?.metadata ?? {}).map(([name, text]) => [name, parsed(text)]))
  return new DomainError(code, error.details, details)
}
