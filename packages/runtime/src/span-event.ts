import type { Attributes } from '@opentelemetry/api'
import { type Spanned, spanAttributes } from '@rondo/contracts/span-attributes'
import type { Envelope } from '@rondo/kernel'

/** What spans say of each event; of its data only those that are recorded say something. */
export type SpanHead = Omit<Spanned, 'data'> &
  Pick<Envelope, 'id' | 'schemaVersion' | 'correlationId' | 'loopIds' | 'traceparent' | 'actor'>

/** The person who acted; machines and unmapped identities are no users. */
export function userAttributes(actor: string): Attributes {
  const [, person] = /^person:(.+)$/.exec(actor) ?? []
  return person ? { 'user.id': person } : {}
}

/** One value that can be searched for as it is; where there are more, the list too. */
export function loopAttributes(loopIds: readonly string[], publicUrl: string): Attributes {
  const [first] = loopIds
  if (first === undefined) return {}
  return {
    'rondo.loop.id': first,
    ...(loopIds.length > 1 ? { 'rondo.loop.ids': [...loopIds] } : {}),
    'rondo.url': `${publicUrl}/#${encodeURIComponent(first)}`,
  }
}

/** What the fact is about, by the semantic conventions and under `rondo.`. */
export function domainAttributes(event: Spanned): Attributes {
  return Object.fromEntries(Object.entries(spanAttributes(event)).filter(([, value]) => value !== undefined))
}
