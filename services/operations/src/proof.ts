import { proof as fact } from '@rondo/contracts/operations'
import { type Instant, plus, refuse, stream } from '@rondo/kernel'
import type { z } from 'zod'
import type { Evidence } from './evidence.ts'
import { latestOf } from './moments.ts'
import { type Place, placeKey } from './names.ts'
import { type Answer, answer, type Question, reasons, type Step, total } from './verdict.ts'

type Opened = z.infer<typeof fact.opened.schema>
type Judged = z.infer<typeof fact.judged.schema>
export type Terms = Opened['terms']
export type Opening = Omit<Opened, 'proof' | 'deadline_at'>

export interface Proof {
  readonly opened?: Omit<Opened, 'proof'>
  /** The earliest moment at which a fixed artifact served. */
  readonly clock_started_at?: Instant
  readonly artifacts: readonly string[]
  /** The latest entering or leaving, by when it happened. */
  readonly move?: { readonly at: Instant; readonly inside: boolean; readonly artifact: string }
  readonly extended?: Instant
  /** The deadline that came. */
  readonly due?: Instant
  readonly attributed: readonly { readonly event: string; readonly reason: string; readonly by: string; readonly at: Instant }[]
  /** What it decided last, and the deadline it had then. */
  readonly judged?: Omit<Judged, 'proof' | 'requirement' | 'service'> & { readonly deadline_at: Instant }
  readonly recurred?: { readonly at: Instant; readonly signal: string; readonly artifact?: string | undefined }
  /** Commits that implement the requirement. */
  readonly fixes: readonly string[]
}

const day = 24 * 3_600_000

export const deadlineOf = ({ extended, opened, clock_started_at }: Proof): Instant | undefined =>
  extended ?? (opened && clock_started_at && plus(clock_started_at, opened.terms.deadline_days * day))

/** The verdict that stands: attributing all of its events elsewhere, or a later deadline, takes it back. */
export function standing(proof: Proof): Proof['judged'] {
  const { judged, attributed } = proof
  if (!judged) return undefined
  const elsewhere = new Set(attributed.map(({ event }) => event))
  const ids = judged.after.event_ids
  if (judged.verdict === 'regressed' && ids.length > 0 && ids.length === judged.after.events && ids.every((id) => elsewhere.has(id)))
    return undefined
  if (judged.verdict === 'inconclusive' && (deadlineOf(proof) ?? '') > judged.deadline_at) return undefined
  return judged.verdict === 'error' ? undefined : judged
}

export function phaseOf(proof: Proof) {
  const { opened, move, judged, recurred } = proof
  if (!opened) return 'unseen'
  const verdict = standing(proof)?.verdict
  if (verdict) return verdict === 'verified' && recurred ? 'recurred' : verdict
  if (judged?.verdict === 'error') return 'error'
  return move && !move.inside ? 'suspended' : 'open'
}

/** Neither decided nor given up: counts matter. */
export const isRunning = (proof: Proof): boolean => ['open', 'suspended', 'error'].includes(phaseOf(proof))

/** The next fix needs an attempt of its own. */
export const hasFailed = (proof: Proof): boolean => ['regressed', 'recurred', 'inconclusive'].includes(phaseOf(proof))

export function questionOf(proof: Proof, asked_at: Instant, steps: readonly Step[]): Question | undefined {
  const { opened, clock_started_at } = proof
  const deadline_at = deadlineOf(proof)
  if (!opened || !clock_started_at || !deadline_at) return undefined
  const { before, terms } = opened
  // what is served after the deadline cannot save it, whichever of report and deadline is looked at first; what goes wrong counts
  const counted = steps.map((step) => (step.at > deadline_at ? { ...step, exposure: 0 } : step))
  return {
    clock_started_at,
    deadline_at,
    asked_at,
    kind: terms.kind,
    target_ratio: terms.target_ratio,
    before,
    steps: counted,
    looks: 'spending',
  }
}

/** In words and numbers, so that anybody can count again. */
const queryOf = (place: Place, { artifacts }: Evidence, unit: string, from: Instant, to: Instant) =>
  `${unit === 'requests' ? 'errors reported' : 'alert episodes begun (distinct starts) per hour and share served'} for ${JSON.stringify(place.problem)} of ${place.service} in ${place.environment} by artifacts ${artifacts.join(', ') || 'none'}, ${from} < end <= ${to}`

export function countsOf(proof: Opening, evidence: Evidence, from: Instant): Judged['after'] {
  const { events, exposure } = total(evidence.steps, evidence.asked_at)
  const last = evidence.steps.at(-1)?.at ?? evidence.asked_at
  const to = proof.before.unit === 'hours' || last > evidence.asked_at ? evidence.asked_at : last
  return { events, exposure, unit: proof.before.unit, from, to, event_ids: evidence.events.map(({ event }) => event) }
}

function judgement(proof: string, known: Proof, opened: Opening, evidence: Evidence, { verdict, reason, bound }: Answer) {
  const from = known.clock_started_at ?? opened.clock_started_at
  const after = countsOf(opened, evidence, from)
  if (verdict === null || (known.judged?.verdict === verdict && standing(known))) return []
  const { requirement, service, environment, problem, before, terms } = opened
  const query = queryOf({ service, environment, problem }, evidence, before.unit, from, after.to)
  const { artifacts } = evidence
  return [
    fact.judged({
      proof,
      requirement,
      service,
      verdict,
      reason: reasons[reason],
      before,
      after,
      bound,
      target_ratio: terms.target_ratio,
      artifacts: [...artifacts],
      query,
    }),
  ]
}

/** Kind rate after "verified": only a rate that is worse again is a recurrence, not a single event. */
function recurrence(known: Proof, evidence: Evidence): { at: Instant; signal: string; artifact?: string | undefined } | undefined {
  const end = known.judged?.after.to ?? ''
  const later = evidence.events.filter(({ at }) => at > end)
  const [first] = later
  if (!first || (known.recurred && known.recurred.at <= first.at)) return undefined
  const question = questionOf(
    known,
    evidence.asked_at,
    evidence.steps.filter(({ at }) => at > end),
  )
  if (known.opened?.terms.kind === 'rate' && question && answer({ ...question, deadline_at: '9' }).verdict !== 'regressed') return undefined
  return { at: first.at, signal: first.signal ?? known.opened?.signals[0] ?? 'unknown', artifact: first.artifact }
}

export const proof = stream('proof', fact, { artifacts: [], attributed: [], fixes: [] } as Proof)({
  fold: 1,

  asks: {
    extend(known, { deadline_at, reason }: { deadline_at: Instant; reason: string }, { actor, at, streamId }) {
      const deadline = deadlineOf(known)
      if (!deadline) refuse('not_found', 'there is no such proof', { path: 'proof_id' })
      const phase = phaseOf(known)
      if (['verified', 'regressed', 'recurred'].includes(phase)) refuse('wrong_phase', `it is decided: ${phase}`, { phase })
      if (known.extended === deadline_at) return []
      if (deadline_at <= deadline || deadline_at <= at)
        refuse('invalid', `an extension ends later than ${latestOf(at, deadline)}`, { path: 'deadline_at' })
      return [fact.extended({ proof: streamId, deadline_at, by: actor, reason })]
    },
    attribute(known, { event, reason }: { event: string; reason: string }, { actor, streamId }) {
      if (!known.opened) refuse('not_found', 'there is no such proof', { path: 'proof_id' })
      return known.attributed.some((one) => one.event === event && one.reason === reason)
        ? []
        : [fact.attributed({ proof: streamId, event, reason, by: actor })]
    },
  },

  tells: {
    open(known, opening: Opening, { streamId }) {
      const { artifact, clock_started_at, terms } = opening
      if (!known.opened)
        return [fact.opened({ ...opening, proof: streamId, deadline_at: plus(clock_started_at, terms.deadline_days * day) })]
      return known.artifacts.includes(artifact) ? [] : [fact.entered({ proof: streamId, artifact, at: clock_started_at })]
    },
    entered: (known, { artifact, at }: { artifact: string; at: Instant }, { streamId }) =>
      known.move?.artifact === artifact && known.move.at === at && known.move.inside
        ? []
        : [fact.entered({ proof: streamId, artifact, at })],
    left: (known, { at }: { at: Instant }, { streamId }) => {
      const artifact = known.move?.artifact ?? known.opened?.artifact
      return !artifact || (known.move && known.move.at === at && !known.move.inside) ? [] : [fact.left({ proof: streamId, artifact, at })]
    },
    fixNamed: (known, { sha }: { sha: string }, { streamId }) =>
      !known.opened || known.fixes.includes(sha) ? [] : [fact.fix_named({ proof: streamId, requirement: known.opened.requirement, sha })],
    deadlineReached(known, _input: undefined, { streamId }) {
      const deadline_at = deadlineOf(known)
      return !deadline_at || known.due === deadline_at ? [] : [fact.due({ proof: streamId, deadline_at })]
    },

    /** What the reports say now. All of it each time, so that it may come twice or late. */
    measured(known, evidence: Evidence, { streamId }) {
      const { opened } = known
      const question = questionOf(known, evidence.asked_at, evidence.steps)
      if (!opened || !question) return []
      const given = answer(question)
      const stood = standing(known)
      // decided or handed to a person: only what went wrong in a fixed artifact changes that
      if (stood?.verdict === 'inconclusive') return given.verdict === 'regressed' ? judgement(streamId, known, opened, evidence, given) : []
      if (stood?.verdict === 'regressed') return []
      if (stood?.verdict !== 'verified') return judgement(streamId, known, opened, evidence, given)
      const before = evidence.events.some(({ at }) => at <= stood.after.to)
      if (before && opened.terms.kind === 'defect') return judgement(streamId, known, opened, evidence, given)
      const again = recurrence(known, evidence)
      const { requirement, service } = opened
      return again ? [fact.recurred({ proof: streamId, requirement, service, ...again })] : []
    },
  },

  evolve: {
    opened(known, { proof: _proof, ...opened }) {
      const next = known.opened ? known : { ...known, opened }
      return moved(next, { artifact: opened.artifact, at: opened.clock_started_at }, true)
    },
    entered: (known, move) => moved(known, move, true),
    left: (known, move) => moved(known, move, false),
    judged: (known, { proof: _proof, requirement: _requirement, service: _service, ...judged }) => ({
      ...known,
      judged: { ...judged, deadline_at: deadlineOf(known) ?? '' },
    }),
    recurred: (known, { signal, artifact, at }) =>
      known.recurred && known.recurred.at <= at ? known : { ...known, recurred: { at, signal, ...(artifact ? { artifact } : {}) } },
    due: (known, { deadline_at }) => (known.due !== undefined && known.due >= deadline_at ? known : { ...known, due: deadline_at }),
    extended: (known, { deadline_at }) =>
      known.extended !== undefined && known.extended >= deadline_at ? known : { ...known, extended: deadline_at },
    attributed: (known, { event, reason, by }, { at }) => ({
      ...known,
      attributed: [...known.attributed.filter((one) => one.event !== event || one.at > at), { event, reason, by, at }]
        .filter((one, index, all) => all.findIndex((other) => other.event === one.event) === index)
        .sort((a, b) => (a.event < b.event ? -1 : 1)),
    }),
    fix_named: (known, { sha }) => ({ ...known, fixes: [...new Set([...known.fixes, sha])].sort().slice(-1000) }),
  },

  phase: phaseOf,
  closed: ['verified', 'regressed', 'inconclusive', 'recurred'],
  keys: {
    requirement: ({ opened }) => (opened ? [opened.requirement] : []),
    service: ({ opened }) => (opened ? [opened.service] : []),
    place: ({ opened }) => (opened ? [placeKey(opened)] : []),
    /** By requirement: those that entering, leaving or another fix still matters to. */
    unsettled: (known) => (known.opened && phaseOf(known) !== 'verified' ? [known.opened.requirement] : []),
    /** Counted in hours in which a source lives: each sign of life is exposure. */
    lives_by: (known) => (isRunning(known) && known.opened?.before.unit === 'hours' ? ['hours'] : []),
  },
  timers(known) {
    const at = deadlineOf(known)
    return at !== undefined && isRunning(known) && known.due !== at ? [{ at, tell: 'deadlineReached' }] : []
  },
  loops: ({ opened }) => (opened ? [opened.requirement] : []),
})

/** The latest move stands by when it happened; at the same moment entering outranks leaving (a step of one roll-out). */
function moved(known: Proof, { artifact, at }: { artifact: string; at: Instant }, inside: boolean): Proof {
  const clock = inside && (known.clock_started_at === undefined || at < known.clock_started_at) ? at : known.clock_started_at
  const rank = (move: { at: Instant; inside: boolean; artifact: string }) => `${move.at} ${move.inside} ${move.artifact}`
  const later = !known.move || rank({ at, inside, artifact }) > rank(known.move)
  return {
    ...known,
    ...(clock === undefined ? {} : { clock_started_at: clock }),
    artifacts: inside ? [...new Set([...known.artifacts, artifact])].sort() : known.artifacts,
    ...(later ? { move: { at, inside, artifact } } : {}),
  }
}
