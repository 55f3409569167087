import { createHash } from 'node:crypto'
import type { Attributes } from '@opentelemetry/api'
import type { SpanProcessor } from '@opentelemetry/sdk-trace'

const address = /[^\s/@:]+@[^\s/@:]+\.[a-z]{2,}/gi
const pseudonym = (text: string) => `sha256:${createHash('sha256').update(text).digest('hex').slice(0, 16)}`

/** E-mail addresses as the beginning of their hash: the same person stays the same one. */
export const withoutAddresses = (text: string): string => (text.includes('@') ? text.replace(address, pseudonym) : text)

function shield(attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) {
    // A package URL has an @ of its own
    if (name === 'artifact.purl') continue
    if (typeof value === 'string') attributes[name] = withoutAddresses(value)
    else if (Array.isArray(value))
      attributes[name] = value.map((one) => (typeof one === 'string' ? withoutAddresses(one) : one)) as string[]
  }
}

/**
 * Takes addresses out of every span, whichever library made it: ids of persons may be addresses, and a trace is kept where nobody can
 * erase a person. To stand before the processors that keep or send.
 */
export const shielding: SpanProcessor = {
  onStart: () => undefined,
  onEnd(span) {
    shield(span.attributes)
    for (const { attributes } of span.events) if (attributes) shield(attributes)
    if (span.status.message) span.status.message = withoutAddresses(span.status.message)
  },
  forceFlush: async () => undefined,
  shutdown: async () => undefined,
}
