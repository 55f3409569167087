import { DomainError } from '@rondo/kernel'
import { Defect } from './failure.ts'

/** In JSON text: an escaped NUL or surrogate (JSON.stringify escapes lone ones only), not after an escaped backslash. */
const unstorable = /(?<!\\)(?:\\\\)*\\u(0000|[dD][89a-fA-F])/

/** The JSON text of what PostgreSQL can keep; refuses `too_large` above the limit in bytes. */
export function storable(value: unknown, what: string, limit: number): string {
  const text = JSON.stringify(value) ?? 'null'
  if (text.includes('\\u') && unstorable.test(text)) throw new Defect(`${what} holds a NUL character or half of a surrogate pair`)
  if (text.length > limit || (text.length * 3 > limit && Buffer.byteLength(text) > limit)) {
    throw new DomainError('too_large', `${what} is larger than ${limit} bytes`)
  }
  return text
}

/** Ids are part of index entries, which PostgreSQL bounds at about 2,700 bytes. */
export function storableId(text: string, what: string): string {
  if (text.length === 0 || text.length > 500 || !text.isWellFormed() || text.includes('\0')) {
    throw new DomainError('invalid', `${what} must be 1 to 500 characters without NUL or half surrogate pairs`)
  }
  return text
}
