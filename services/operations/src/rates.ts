import cdf from '@stdlib/stats-base-dists-beta-cdf'
import quantile from '@stdlib/stats-base-dists-beta-quantile'

/** Events against what they are counted over (requests; or hours times share). */
export interface Rate {
  readonly events: number
  readonly exposure: number
}

/**
 * Exact conditional test of two Poisson rates (Przyborowski & Wilenski, Biometrika 31, 1940): given N = before + after events,
 * those after are Binomial(N, p) with p = r·T1 / (T0 + r·T1) where r is the ratio of the rates after / before.
 * All tails and bounds are those of the beta distribution (Clopper & Pearson, Biometrika 26, 1934), one-sided at `level`.
 */
export interface Bounds {
  /** Null where nothing happened before or no exposure followed: any ratio is possible. */
  readonly upper: number | null
  /** 0 where nothing happened after. */
  readonly lower: number
}

/** p and 1 − p, each with its own full relative accuracy: which of them is small decides which one may be subtracted from 1. */
function share(level: number, a: number, b: number): { readonly p: number; readonly q: number } {
  const p = quantile(level, a, b)
  if (p < 0.5) return { p, q: 1 - p }
  const q = quantile(1 - level, b, a)
  return { p: 1 - q, q }
}

export function ratioBounds(before: Rate, after: Rate, level = 0.05): Bounds {
  if (before.exposure <= 0 || after.exposure <= 0) return { upper: null, lower: 0 }
  const scale = before.exposure / after.exposure
  const high = before.events > 0 ? share(1 - level, after.events + 1, before.events) : undefined
  const low = after.events > 0 ? share(level, after.events, before.events + 1) : undefined
  return { upper: high ? (high.p / high.q) * scale : null, lower: low ? (low.p / low.q) * scale : 0 }
}

/** P(that few after, or fewer) where the true ratio is `ratio`. */
export function atMost(before: Rate, after: Rate, ratio: number): number {
  const weight = before.exposure + ratio * after.exposure
  return before.events === 0 ? 1 : cdf(before.exposure / weight, before.events, after.events + 1)
}

/** P(that many after, or more) where the rates are the same. */
export function atLeast(before: Rate, after: Rate): number {
  return after.events === 0 ? 1 : cdf(after.exposure / (before.exposure + after.exposure), after.events, before.events + 1)
}

/** Exposure after at which the upper bound equals the target if no event is added: with none after, T0 × (level^(−1/E0) − 1) / target. Null: no exposure suffices. */
export function neededExposure(before: Rate, eventsAfter: number, target: number, level = 0.05): number | null {
  if (before.events === 0 || before.exposure <= 0) return null
  if (eventsAfter === 0) return (before.exposure * Math.expm1(-Math.log(level) / before.events)) / target
  const { p, q } = share(1 - level, eventsAfter + 1, before.events)
  return ((p / q) * before.exposure) / target
}
