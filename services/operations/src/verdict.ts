import type { Instant } from '@rondo/kernel'
import { neededExposure, type Rate, ratioBounds } from './rates.ts'

/** What fixed artifacts served until `at`, and what happened there. */
export interface Step extends Rate {
  readonly at: Instant
}

export interface Question {
  /** Absent: no artifact with the fix has served yet. */
  readonly clock_started_at?: Instant | undefined
  readonly deadline_at: Instant
  readonly asked_at: Instant
  /** defect: one event from a fixed artifact is a regression. rate: the test decides. */
  readonly kind: 'defect' | 'rate'
  readonly target_ratio: number
  /** Frozen when the clock started. */
  readonly before: Rate
  /** From fixed artifacts only, earliest first; what lies after `asked_at` is not known yet. */
  readonly steps: readonly Step[]
  /** The source could not be asked at that time. */
  readonly unreachable?: boolean
  /** Reporters who still say "not solved" (feedback). */
  readonly unsolved?: number
  /** single: this look has the whole level. spending: see `looksOf`. Only kind rate spends. */
  readonly looks: 'single' | 'spending'
}

export const reasons = {
  not_released: 'no artifact with the fix has served yet: not released',
  source_unreachable: 'the source cannot be asked: every verdict but a known recurrence waits',
  recurred: 'it happened again in an artifact that contains the fix',
  worse: 'the rate is higher than before: its lower bound is above 1',
  better: 'the upper bound of the ratio is below the target',
  silent: 'nothing happened again and the upper bound of the ratio is below the target',
  needs_more: 'not enough exposure so far',
  not_better: 'enough exposure, but no sufficient improvement so far',
  too_small_at_deadline: 'not enough exposure until the deadline',
  not_better_at_deadline: 'no sufficient improvement until the deadline',
  not_solved: 'a reporter says that it is not solved',
} as const
export type Reason = keyof typeof reasons

export type Verdict = 'verified' | 'regressed' | 'inconclusive' | 'error'
export interface Answer {
  readonly verdict: Verdict | null
  readonly reason: Reason
  readonly events: number
  readonly exposure: number
  /** Upper one-sided bound of the ratio at `level`; null where there is none. */
  readonly bound: number | null
  readonly level: number
  /** If nothing more happens; null where no exposure suffices. */
  readonly needed_further_exposure: number | null
}

export const confidence = 0.05

/** What was counted up to a moment. */
export function total(steps: readonly Step[], until?: Instant): Rate {
  const known = steps.filter(({ at }) => until === undefined || at <= until)
  return { events: known.reduce((sum, { events }) => sum + events, 0), exposure: known.reduce((sum, { exposure }) => sum + exposure, 0) }
}

interface Look {
  readonly after: Rate
  readonly level: number
}

interface Looks {
  readonly taken: readonly Look[]
  /** Exposure until the next one and what it may spend. */
  readonly next: { readonly further: number; readonly level: number }
}

/** At the exact exposure needed the bound equals the target; a hair above it keeps that from being a matter of rounding. */
const hair = 1 + 1e-9

/**
 * Looks of kind rate: look k is taken when the exposure exceeds 2^(k−1) times the exposure that the first look needs with nothing
 * happening, and spends 0.05 / 2^k. The levels of all looks, however many there are, add up to less than 0.05, so by Boole's
 * inequality a fix that does not help is called "verified" in less than 5 % of all proofs. (Bonferroni with geometric weights: the
 * plainest alpha-spending function of Lan & DeMets, Biometrika 70, 1983; it costs more exposure than O'Brien–Fleming and needs no
 * assumption on how the looks depend on each other.) The deadline is one look more.
 */
export function looksOf({ before, steps, target_ratio, asked_at, deadline_at }: Question): Looks {
  const first = neededExposure(before, 0, target_ratio, confidence / 2)
  const taken: Look[] = []
  const spent = () => confidence / 2 ** (taken.length + 1)
  const due = () => (first ?? Number.POSITIVE_INFINITY) * 2 ** taken.length * hair
  let after: Rate = { events: 0, exposure: 0 }
  for (const step of steps.filter(({ at }) => at <= asked_at)) {
    after = { events: after.events + step.events, exposure: after.exposure + step.exposure }
    while (after.exposure >= due()) taken.push({ after, level: spent() })
  }
  const next = { further: Math.max(0, due() - after.exposure), level: spent() }
  if (asked_at >= deadline_at) taken.push({ after: total(steps, asked_at), level: spent() })
  return { taken, next }
}

/** With enough exposure for a verdict even so, what is missing is not exposure. */
function undecided(question: Question, { exposure }: Rate): Pick<Answer, 'verdict' | 'reason'> {
  const { deadline_at, asked_at, before, target_ratio } = question
  const level = spends(question) ? confidence / 2 : confidence
  const enough = exposure >= (neededExposure(before, 0, target_ratio, level) ?? Number.POSITIVE_INFINITY)
  if (asked_at < deadline_at) return { verdict: null, reason: enough ? 'not_better' : 'needs_more' }
  return { verdict: 'inconclusive', reason: enough ? 'not_better_at_deadline' : 'too_small_at_deadline' }
}

function testOf(question: Question, { after, level }: Look): Pick<Answer, 'verdict' | 'reason'> | undefined {
  const { upper, lower } = ratioBounds(question.before, after, level)
  if (lower > 1 && question.kind === 'rate') return { verdict: 'regressed', reason: 'worse' }
  if (upper === null || upper >= question.target_ratio) return undefined
  return { verdict: 'verified', reason: after.events === 0 ? 'silent' : 'better' }
}

/** One event from a fixed artifact settles kind defect, so it never verifies with one: its looks cost nothing. */
const spends = ({ kind, looks }: Question) => kind === 'rate' && looks === 'spending'

/** What the counts say at the moment asked, and what is still needed. Pure: the same question has the same answer for ever. */
export function answer(question: Question): Answer {
  const { before, target_ratio, asked_at } = question
  const after = total(question.steps, asked_at)
  const { taken, next } = spends(question)
    ? looksOf(question)
    : { taken: [{ after, level: confidence }], next: { further: 0, level: confidence } }
  // the first look that decides stands: what came after it cannot take it back
  const decisive = taken.find((look) => testOf(question, look))
  const look = decisive ?? taken.at(-1) ?? { after, level: confidence / 2 }
  const needed = neededExposure(before, after.events, target_ratio, next.level)
  const numbers = {
    ...after,
    bound: ratioBounds(before, look.after, look.level).upper,
    level: look.level,
    needed_further_exposure: needed === null ? null : Math.max(next.further, needed - after.exposure),
  }
  return { ...numbers, ...decide(question, after, decisive) }
}

function decide(question: Question, after: Rate, decisive: Look | undefined): Pick<Answer, 'verdict' | 'reason'> {
  if (question.clock_started_at === undefined || question.clock_started_at > question.asked_at)
    return { verdict: null, reason: 'not_released' }
  // a known recurrence outranks everything, a source that is down included
  if (question.kind === 'defect' && after.events > 0) return { verdict: 'regressed', reason: 'recurred' }
  if (question.unreachable) return { verdict: 'error', reason: 'source_unreachable' }
  const found = decisive && testOf(question, decisive)
  if (found?.verdict === 'verified' && (question.unsolved ?? 0) > 0) {
    return { verdict: question.asked_at < question.deadline_at ? null : 'inconclusive', reason: 'not_solved' }
  }
  return found ?? undecided(question, after)
}
