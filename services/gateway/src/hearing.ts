import { type Instant, millis, plus } from '@rondo/kernel'

/** Within this time the same bytes again are a second try of one delivery. Alertmanager repeats itself after minutes at the earliest. */
const retryMs = 60_000

interface Heard {
  readonly delivery: string
  readonly at: Instant
}

/** When a delivery of this voice was heard first, and whether that is now. */
export type Hearing = (voice: string, delivery: string, now: Instant) => { readonly at: Instant; readonly isFirst: boolean }

/**
 * Of senders that number nothing: what a voice says is a second try of a delivery where it is, byte for byte, the last that was
 * heard of it, and that is less than a minute ago. All else is said anew, and later than what it said before.
 * It remembers the last delivery of the `limit` latest voices of this process: one that was forgotten makes a second try an event
 * of its own, which says nothing new.
 */
export function createHearing(limit = 10_000): Hearing {
  const last = new Map<string, Heard>()
  return (voice, delivery, now) => {
    const before = last.get(voice)
    if (before?.delivery === delivery && millis(now) - millis(before.at) < retryMs) return { at: before.at, isFirst: false }
    const at = before && before.at >= now ? plus(before.at, 1) : now
    last.delete(voice)
    last.set(voice, { delivery, at })
    const [oldest] = last.keys()
    if (last.size > limit && oldest !== undefined) last.delete(oldest)
    return { at, isFirst: true }
  }
}
