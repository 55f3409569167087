import type { Instant } from '@rondo/kernel'

/** A value and when it was so. */
export interface Seen<T> {
  readonly at: Instant
  readonly value: T
}

/** The later of two by when they happened, whichever arrived last; at one instant the greater text, so that any order ends the same. */
export function later<T>(known: Seen<T> | undefined, value: T | undefined, at: Instant): Seen<T> | undefined {
  if (value === undefined) return known
  if (!known || known.at < at) return { at, value }
  return known.at === at && JSON.stringify(known.value) < JSON.stringify(value) ? { at, value } : known
}

export const earliest = (known: Instant | undefined, at: Instant): Instant => (known !== undefined && known < at ? known : at)
export const latest = (known: Instant | undefined, at: Instant): Instant => (known !== undefined && known > at ? known : at)

/** Both sets in one, sorted. Past the limit the smallest stay, so that any order ends the same. */
export const union = (known: readonly string[], more: readonly string[], limit = 1000): readonly string[] =>
  more.every((one) => known.includes(one)) ? known : [...new Set([...known, ...more])].sort().slice(0, limit)

/** Whether two values are the same as JSON with keys in any order and `undefined` left out. */
export const same = (a: unknown, b: unknown): boolean => canonical(a) === canonical(b)

export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'null'
  const entries = Object.entries(value).filter(([, item]) => item !== undefined)
  return `{${entries
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, item]) => `${JSON.stringify(key)}:${canonical(item)}`)
    .join()}}`
}
