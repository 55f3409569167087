import type { criterionResult } from '@rondo/contracts/builds'
import type { verdict } from '@rondo/contracts/values'
import type { Instant } from '@rondo/kernel'
import type { z } from 'zod'
import { type Exact, whole } from './decimal.ts'
import type { Criterion, Objective, Policy } from './policy.ts'

/** A measured value. A doubt (an empty suite) keeps it from passing, not from failing. */
export interface Measure {
  readonly value: Exact
  readonly doubt?: string
}
export interface Waiver {
  readonly criterion: string
  readonly by: string
  readonly reason: string
  /** Exclusive. */
  readonly until: Instant
}
export interface Judged {
  readonly policy: Policy
  /** By criterion id; absent: nothing was measured. */
  readonly measured: Readonly<Record<string, Measure>>
  /** Of the last verdict "pass" of this service that has a value for the criterion. */
  readonly baselines: Readonly<Record<string, Exact>>
  readonly waivers: readonly Waiver[]
  /** Actors who contributed to the change. */
  readonly contributors: readonly string[]
  /** When it is decided. */
  readonly at: Instant
}
type Result = z.infer<typeof criterionResult>
export type Status = Result['status']
export interface Judgement {
  readonly verdict: z.infer<typeof verdict>
  /** 0 to 100, exact; undefined where something is missing or nothing counts. */
  readonly score: Exact | undefined
  readonly criteria: readonly Result[]
  readonly releaseAllowed: boolean
  /** The earliest end of a waiver that it rests on. */
  readonly allowedUntil: Instant | undefined
  readonly reasons: readonly string[]
}

const holds: Readonly<Record<Objective['op'], (value: Exact, limit: Exact) => boolean>> = {
  '>=': (value, limit) => value.gte(limit),
  '<=': (value, limit) => value.lte(limit),
  '==': (value, limit) => value.equals(limit),
}

/** 10 % of 0 is 0. Undefined where a relative objective has no baseline. */
function limitOf({ kind, number }: Objective, baseline: Exact | undefined): Exact | undefined {
  if (kind === 'absolute') return number
  if (!baseline) return undefined
  return kind === 'amount' ? baseline.add(number) : baseline.add(baseline.mul(number).div(100))
}

/** Undefined: cannot be said without a baseline. */
function met(objectives: readonly Objective[], value: Exact, baseline: Exact | undefined): boolean | undefined {
  const limits = objectives.map((objective) => ({ objective, limit: limitOf(objective, baseline) }))
  if (limits.some(({ limit }) => limit === undefined)) return undefined
  return limits.every(({ objective, limit }) => limit !== undefined && holds[objective.op](value, limit))
}

function statusOf({ pass, warn }: Criterion, measure: Measure | undefined, baseline: Exact | undefined): Status {
  if (pass.length === 0) return 'info'
  if (!measure) return 'missing'
  const passes = met(pass, measure.value, baseline)
  if (passes === undefined) return 'no_baseline'
  if (passes) return measure.doubt ? 'missing' : 'pass'
  if (warn.length === 0) return 'fail'
  const warns = met(warn, measure.value, baseline)
  if (warns === undefined) return 'no_baseline'
  return warns ? (measure.doubt ? 'missing' : 'warn') : 'fail'
}

const shown = (value: Exact | undefined) => (value === undefined ? 'nothing' : String(Number(value.valueOf().toPrecision(12))))
function reasonOf(status: Status, { id, threshold }: Criterion, measure: Measure | undefined, baseline: Exact | undefined): string {
  const measured = `${id} is ${shown(measure?.value)}`
  switch (status) {
    case 'pass':
      return `${measured}: ${threshold} holds`
    case 'warn':
      return `${measured}: not what is aimed at, yet within the warning (${threshold})`
    case 'fail':
      return `${measured}: ${threshold} does not hold${baseline ? ` (baseline ${shown(baseline)})` : ''}`
    case 'info':
      return `${measured}; no objective, it informs`
    case 'missing':
      return measure?.doubt ? `${id} cannot be said: ${measure.doubt}` : `${id} was not measured`
    case 'no_baseline':
      return `${measured}; ${threshold} needs an earlier passing verdict with this value, and there is none`
  }
}

/** Why a waiver does not count; undefined: it does. */
export function waiverRefused({ by, until }: Waiver, contributors: readonly string[], at: Instant): 'contributor' | 'expired' | undefined {
  if (contributors.includes(by)) return 'contributor'
  return until > at ? undefined : 'expired'
}

function judgeCriterion(criterion: Criterion, { measured, baselines, waivers, contributors, at }: Judged) {
  const measure = measured[criterion.id]
  const needsBaseline = [...criterion.pass, ...criterion.warn].some(({ kind }) => kind !== 'absolute')
  const baseline = needsBaseline ? baselines[criterion.id] : undefined
  const status = statusOf(criterion, measure, baseline)
  const waiver = waivers
    .filter((one) => one.criterion === criterion.id && !waiverRefused(one, contributors, at))
    .reduce<Waiver | undefined>((best, one) => (best && best.until >= one.until ? best : one), undefined)
  const open = !['pass', 'info'].includes(status)
  const result: Result = {
    id: criterion.id,
    status,
    value: measure ? measure.value.valueOf() : null,
    threshold: criterion.threshold,
    baseline: baseline ? baseline.valueOf() : null,
    weight: criterion.weight.valueOf(),
    key: criterion.key,
    reason: reasonOf(status, criterion, measure, baseline),
    ...(open && waiver ? { waived_by: waiver.by } : {}),
  }
  return { result, status, criterion, open, waiver }
}

const earned = (status: Status, weight: Exact) => (status === 'pass' ? weight : status === 'warn' ? weight.div(2) : whole(0))

/** The quality gate (DEFINITIONS): score = 100 × sum / maximum; a failed key criterion fails it; no data never passes. */
export function judge(given: Judged): Judgement {
  const { policy } = given
  const rows = policy.criteria.map((criterion) => judgeCriterion(criterion, given))
  const counted = rows.filter(({ status }) => status !== 'info')
  const maximum = counted.reduce((sum, { criterion }) => sum.add(criterion.weight), whole(0))
  const sum = counted.reduce((total, { status, criterion }) => total.add(earned(status, criterion.weight)), whole(0))
  const incomplete = counted.length === 0 || counted.some(({ status }) => status === 'missing' || status === 'no_baseline')
  const score = incomplete ? undefined : sum.mul(100).div(maximum)
  const keyFailed = counted.some(({ status, criterion }) => status === 'fail' && criterion.key)
  const toWaive = counted.filter(({ status, open }) => open && !(status === 'warn' && policy.warnReleases))
  const released = counted.length > 0 && toWaive.every(({ waiver }) => waiver)
  const ends = toWaive.flatMap(({ waiver }) => (waiver ? [waiver.until] : []))
  return {
    verdict: verdictOf(policy, score, keyFailed),
    score,
    criteria: rows.map(({ result }) => result),
    releaseAllowed: released,
    allowedUntil: released ? ends.sort()[0] : undefined,
    reasons: [
      ...(counted.length === 0 ? ['the policy has no criterion with an objective: nothing can be judged'] : []),
      ...rows
        .filter(({ open }) => open)
        .map(({ result, waiver }) =>
          waiver ? `${result.reason}; waived by ${waiver.by} until ${waiver.until}: ${waiver.reason}` : result.reason,
        ),
    ],
  }
}

function verdictOf(policy: Policy, score: Exact | undefined, keyFailed: boolean): Judgement['verdict'] {
  if (keyFailed) return 'fail'
  if (!score) return 'inconclusive'
  if (score.gte(policy.pass)) return 'pass'
  return score.gte(policy.warn) ? 'warn' : 'fail'
}
