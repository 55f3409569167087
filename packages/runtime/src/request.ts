import { hash } from 'node:crypto'
import { DomainError } from '@rondo/kernel'
import type { z } from 'zod'

/** `a[1].b`, as refusals name a place. */
export const pathOf = (path: readonly PropertyKey[]): string =>
  path.reduce<string>((text, part) => (typeof part === 'number' ? `${text}[${part}]` : text ? `${text}.${String(part)}` : String(part)), '')

const most = 5

/** What the schema makes of the input; refuses (`invalid`) with the path of the first fault and a sentence for up to five. */
export function parseRequest<Input>(schema: z.ZodType<Input>, value: unknown): Input {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const faults = parsed.error.issues.map(({ path, message }) => ({ path: pathOf(path), message }))
  const shown = faults.slice(0, most).map(({ path, message }) => (path ? `${path}: ${message}` : message))
  const more = faults.length > most ? [`and ${faults.length - most} more`] : []
  throw new DomainError('invalid', [...shown, ...more].join('; '), { path: faults[0]?.path ?? '' })
}

/** What JSON writes as it is. */
const plain = /^[ !#-[\]-~]*$/

/** In place. They are few: `sort` takes memory of its own for them. */
function sorted(names: string[]): readonly string[] {
  if (names.length > 16) return names.sort()
  for (let end = 1; end < names.length; end++) {
    const name = names[end] as string
    let at = end
    for (; at > 0 && (names[at - 1] as string) > name; at--) names[at] = names[at - 1] as string
    names[at] = name
  }
  return names
}

/** Text by which two inputs are the same: keys sorted. */
function canonical(value: unknown): string {
  // Most are text, and most text stands for itself
  if (typeof value === 'string') return plain.test(value) ? `"${value}"` : JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`
  if (Buffer.isBuffer(value)) return value.toString('base64')
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'null'
  let text = ''
  for (const name of sorted(Object.keys(value))) {
    const item = (value as Readonly<Record<string, unknown>>)[name]
    if (item !== undefined) text += `${text ? ',' : ''}${canonical(name)}:${canonical(item)}`
  }
  return `{${text}}`
}

/** Of what a message says: the same id with another hash is another message. */
export const hashOf = (...parts: readonly unknown[]): string => hash('sha256', canonical(parts), 'hex')

/** The one that a caller gave for an ask, checked; undefined where none was given. */
export function messageIdOf(given: string | undefined): string | undefined {
  if (given === undefined || /^[\x21-\x7e]{1,200}$/.test(given)) return given
  throw new DomainError('invalid', 'x-rondo-message-id: expected 1 to 200 visible ASCII characters, such as a UUID', {
    path: 'x-rondo-message-id',
  })
}
