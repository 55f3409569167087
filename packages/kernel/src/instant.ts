/**
 * A moment as text: UTC with exactly six decimals (`2026-11-25T09:00:00.061789Z`).
 * PostgreSQL keeps microseconds and a JavaScript Date does not; at a fixed width the order of the text is the order of time.
 */
export type Instant = string

/** As nearly all are. Days up to 28 are in every month; what is past them is for the calendar to say. */
const PLAIN = /^(\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8]))[Tt ]((?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d)(?:\.(\d+))?[Zz]$/
const RFC3339 = /^(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)$/

/** Reads an RFC 3339 time (offset required; digits past microseconds are cut). Undefined where it is none. */
export function parseInstant(text: string): Instant | undefined {
  const [plain, day, clock, part = ''] = PLAIN.exec(text) ?? []
  if (plain !== undefined) return `${day}T${clock}.${part.padEnd(6, '0').slice(0, 6)}Z`
  const [, date = '', time = '', fraction = '', zone = 'Z'] = RFC3339.exec(text) ?? []
  const wall = new Date(`${date}T${time}Z`)
  // Date rolls 30 February over into March; a time that does not exist is refused instead
  if (Number.isNaN(wall.getTime()) || wall.toISOString().slice(0, 19) !== `${date}T${time}`) return undefined
  const utc = zone === 'Z' || zone === 'z' ? wall : new Date(`${date}T${time}${zone}`)
  // An offset can lead out of the years 0000 to 9999, where the width is another
  if (Number.isNaN(utc.getTime()) || utc.toISOString().length !== 24) return undefined
  return `${utc.toISOString().slice(0, 19)}.${fraction.padEnd(6, '0').slice(0, 6)}Z`
}

export const toInstant = (date: Date): Instant => `${date.toISOString().slice(0, -1)}000Z`
/** Milliseconds since 1970; what lies below a millisecond is cut. */
export const millis = (at: Instant): number => Date.parse(at)
/** Whole milliseconds later; the microseconds stay. */
export const plus = (at: Instant, ms: number): Instant => `${new Date(Date.parse(at) + ms).toISOString().slice(0, -1)}${at.slice(23)}`
