import type { Fact, Instant } from '@rondo/kernel'
import { DomainError, millis, parseInstant } from '@rondo/kernel'
import { z } from 'zod'
import type { Identity } from '../identity.ts'

/** An outside event in Rondo's words, on its way to the intake topic. Known by (source, id). */
export interface Observed {
  /** URI of the sender. */
  readonly source: string
  readonly id: string
  readonly subject: string
  readonly at: Instant
  /** The sender tells no time: `at` is when it came, and no part of what was sent. */
  readonly untimed?: true
  readonly fact: Fact
}

/** One member of a delivery that could not be read; the rest goes on. */
export interface Refused {
  readonly path: string
  readonly code: 'invalid' | 'unsupported' | 'too_large'
  readonly reason: string
  readonly raw: string
}

export interface Adapted {
  readonly events: readonly Observed[]
  readonly refused: readonly Refused[]
  /** Said to the caller where a delivery is fine and has no effect (a ping). */
  readonly note?: string
}

/** Names the person behind an identity, or `unmapped:<hash>`; undefined for a platform's own account, which is nobody. */
export type Who = (identity: Identity | null) => string | undefined

/** Clocks of senders may run ahead by this much. */
export const futureLeewayMs = 10 * 60_000

/** An RFC 3339 time in a body, as an Instant. */
export const time = z.string().transform((text, context): Instant => {
  const at = parseInstant(text)
  if (at) return at
  context.addIssue({ code: 'custom', message: `"${text.slice(0, 40)}" is no RFC 3339 time such as 2026-11-25T09:00:00Z` })
  return z.NEVER
})

/** `alerts[1].startsAt` */
export const pathOf = (path: readonly PropertyKey[]): string =>
  path.reduce<string>((text, part) => (typeof part === 'number' ? `${text}[${part}]` : text ? `${text}.${String(part)}` : String(part)), '')

/** Reads a body by its schema; refuses with the first path and all problems in words. */
export function read<S extends z.ZodType>(schema: S, body: unknown, at: readonly PropertyKey[] = []): z.output<S> {
  const result = schema.safeParse(body)
  if (result.success) return result.data
  const [first] = result.error.issues
  const problems = result.error.issues.slice(0, 5).map(({ path, message }) => `${pathOf([...at, ...path]) || 'the body'}: ${message}`)
  throw new DomainError('invalid', problems.join('; '), { path: pathOf([...at, ...(first?.path ?? [])]) })
}

/** What happened cannot lie in the future, by more than a clock may be wrong. */
export function notInFuture(at: Instant, path: string, now: Instant): Instant {
  // Text at a fixed width: its order is that of time
  if (at <= now || millis(at) <= millis(now) + futureLeewayMs) return at
  throw new DomainError('invalid', `${path}: ${at} lies in the future (it is ${now} here; up to 10 minutes ahead is accepted)`, { path })
}
