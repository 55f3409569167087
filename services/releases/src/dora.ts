import { type Instant, millis } from '@rondo/kernel'

/**
 * Delivery metrics as dora.dev defines them, for one service and environment. The period of every figure is that of the
 * deployment's finish, `from` inclusive, `to` exclusive; what happened to a deployment later counts whenever it did.
 */
export interface CountedDeployment {
  readonly id: string
  /** Digest, or the commit where no digest is known. */
  readonly artifact?: string | undefined
  readonly first_succeeded_at?: Instant | undefined
  readonly failed_at?: Instant | undefined
  readonly rolled_back_at?: Instant | undefined
  /** No deployment, but a return to an older artifact: whatever ran before was rolled back by it. */
  readonly returned?: boolean | undefined
  /** The deployment that this one repairs. */
  readonly hotfix_of?: string | undefined
  /** Incidents that it caused. */
  readonly incidents: readonly CausedIncident[]
}
export interface CausedIncident {
  readonly id: string
  readonly began_at?: Instant | undefined
  readonly resolved_at?: Instant | undefined
}
export interface History {
  readonly deployments: readonly CountedDeployment[]
  /** Incidents of the service that nobody has attributed yet. */
  readonly undecided: readonly { readonly id: string; readonly began_at: Instant }[]
}
export interface Period {
  readonly from: Instant
  readonly to: Instant
}
export interface Span {
  readonly deployment: string
  readonly from: Instant
  readonly to: Instant
  readonly seconds: number
  readonly incidents: readonly string[]
}

const within = ({ from, to }: Period, at: Instant | undefined) => at !== undefined && from <= at && at < to
const seconds = (from: Instant, to: Instant) => (millis(to) - millis(from)) / 1000
const byFinish = (a: CountedDeployment, b: CountedDeployment) => ((a.first_succeeded_at ?? '') < (b.first_succeeded_at ?? '') ? -1 : 1)

/** What ran there before and came back because what followed was rolled back. */
function isReturn(one: CountedDeployment, succeeded: readonly CountedDeployment[]): boolean {
  const before = succeeded.slice(0, succeeded.indexOf(one))
  const last = before.at(-1)
  if (one.returned) return true
  if (!one.artifact || !last?.rolled_back_at || last.artifact === one.artifact) return false
  return before.some(({ artifact }) => artifact === one.artifact)
}

function successes(deployments: readonly CountedDeployment[], period: Period) {
  const succeeded = deployments.filter((one) => one.first_succeeded_at !== undefined).sort(byFinish)
  const here = succeeded.filter((one) => within(period, one.first_succeeded_at))
  const returned = here.filter((one) => isReturn(one, succeeded))
  return { counted: here.filter((one) => !returned.includes(one)), returned }
}

const ids = (deployments: readonly { readonly id: string }[]) => deployments.map(({ id }) => id)

/** Whoever returns to what ran before names no deployment: it was the last one that had succeeded until then. */
export function withReturns(deployments: readonly CountedDeployment[]): readonly CountedDeployment[] {
  const ran = deployments.filter((one) => one.first_succeeded_at !== undefined).sort(byFinish)
  const takenBack = new Map<string, Instant>()
  for (const [index, { returned, artifact, first_succeeded_at: at }] of ran.entries()) {
    const last = ran[index - 1]
    if (returned && at && last && last.artifact !== artifact && !last.returned) takenBack.set(last.id, at)
  }
  return deployments.map((one) => ({ ...one, rolled_back_at: one.rolled_back_at ?? takenBack.get(one.id) }))
}

export function deploymentFrequency({ deployments }: History, period: Period) {
  const { counted, returned } = successes(deployments, period)
  const denominator_days = seconds(period.from, period.to) / 86_400
  return {
    numerator: counted.length,
    denominator_days,
    per_day: counted.length / denominator_days,
    deployment_ids: ids(counted),
    returned_deployment_ids: ids(returned),
  }
}

function needing({ deployments }: History, period: Period) {
  const { counted } = successes(deployments, period)
  // One that never succeeded and yet caused an incident did reach users.
  const reached = deployments.filter((one) => !one.first_succeeded_at && one.incidents.length > 0 && within(period, one.failed_at))
  const all = [...counted, ...reached]
  const repaired = new Set(deployments.map(({ hotfix_of }) => hotfix_of))
  return { all, failed: all.filter((one) => one.rolled_back_at !== undefined || one.incidents.length > 0 || repaired.has(one.id)) }
}

export function changeFailureRate(history: History, period: Period) {
  const { all, failed } = needing(history, period)
  return {
    numerator: failed.length,
    denominator: all.length,
    percent: all.length > 0 ? (100 * failed.length) / all.length : null,
    failed: failed.map(({ id, rolled_back_at, incidents }) => ({ id, rolled_back_at, incident_ids: ids(incidents) })),
    deployment_ids: ids(all),
    undecided_incident_ids: history.undecided.filter(({ began_at }) => within(period, began_at)).map(({ id }) => id),
  }
}

export function median(values: readonly number[]): number | null {
  const sorted = [...values].sort((a, b) => a - b)
  const upper = sorted[Math.floor(sorted.length / 2)]
  const lower = sorted[Math.ceil(sorted.length / 2) - 1]
  return upper === undefined || lower === undefined ? null : (lower + upper) / 2
}

const isBad = ({ began_at, resolved_at }: CausedIncident) => began_at !== undefined && resolved_at !== undefined && resolved_at <= began_at

/** From the failed deployment's finish to the recovery of the last incident it caused; with none, to its roll-back. */
function spanOf({ id, first_succeeded_at, failed_at, rolled_back_at, incidents }: CountedDeployment): Span | undefined {
  const from = first_succeeded_at ?? failed_at
  const good = incidents.filter((one) => !isBad(one))
  const ends = good.map(({ resolved_at }) => resolved_at)
  if (!from || (incidents.length > 0 && good.length === 0) || ends.includes(undefined)) return undefined
  const to =
    incidents.length > 0
      ? ends
          .filter((end) => end !== undefined)
          .sort()
          .at(-1)
      : rolled_back_at
  return to === undefined ? undefined : { deployment: id, from, to, seconds: seconds(from, to), incidents: ids(good) }
}

export function recoveryTime(history: History, period: Period) {
  const { failed } = needing(history, period)
  const all = failed.map(spanOf).filter((span) => span !== undefined)
  const spans = all.filter((span) => span.seconds >= 0)
  const caused = failed.flatMap(({ incidents }) => incidents)
  return {
    median_seconds: median(spans.map((span) => span.seconds)),
    spans,
    not_yet_recovered_incident_ids: ids(caused.filter(({ resolved_at }) => resolved_at === undefined)),
    bad_incident_ids: ids(caused.filter(isBad)),
    negative_deployment_ids: all.filter((span) => span.seconds < 0).map(({ deployment }) => deployment),
  }
}
