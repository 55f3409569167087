import type { Instant } from '@rondo/kernel'

export const states = ['queued', 'started', 'failed', 'succeeded', 'inactive', 'rolled_back', 'removed'] as const
export type DeploymentState = (typeof states)[number]

/** One notice: what was said, for which moment. */
export interface Mark {
  readonly state: DeploymentState
  readonly at: Instant
  readonly share: number
  /** Where the sender counts its tries. */
  readonly attempt?: number | undefined
  /** With "removed": whatever ran of the service. */
  readonly whole?: true
  /** With "succeeded": what ran before was rolled back to this. */
  readonly returned?: true
}

export interface Attempt {
  readonly attempt: number
  readonly started_at?: Instant
  readonly finished_at?: Instant
  readonly outcome?: 'succeeded' | 'failed'
}

/** From `at` on it runs with a share of the traffic, or does not. */
export interface Move {
  readonly kind: 'succeeded' | 'rolled_back' | 'removed'
  readonly at: Instant
  readonly share: number
}

const marksKept = 200
const keyOf = ({ state, at, share, attempt }: Mark) => [at, states.indexOf(state), attempt ?? 0, share].join(' ')
const order = (a: Mark, b: Mark) => (keyOf(a) < keyOf(b) ? -1 : 1)

export const hasMark = (marks: readonly Mark[], mark: Mark): boolean => marks.some((one) => keyOf(one) === keyOf(mark))

/** A set, by when it happened: the same notices in any order and number make the same history. */
export const withMark = (marks: readonly Mark[], mark: Mark): readonly Mark[] =>
  hasMark(marks, mark) ? marks : [...marks, mark].sort(order).slice(0, marksKept)

const first = (marks: readonly Mark[], state: DeploymentState) => marks.find((mark) => mark.state === state)?.at
const last = (marks: readonly Mark[], state: DeploymentState) => marks.findLast((mark) => mark.state === state)?.at

/** When its first successful attempt finished. Nothing that is said later takes that back. */
export const firstSuccess = (marks: readonly Mark[]): Instant | undefined => first(marks, 'succeeded')
export const firstFailure = (marks: readonly Mark[]): Instant | undefined => first(marks, 'failed')
export const rolledBackAt = (marks: readonly Mark[]): Instant | undefined => first(marks, 'rolled_back')

/** `inactive` ends that it runs, when a newer one does; a success after it starts it again. */
export function inactiveSince(marks: readonly Mark[]): Instant | undefined {
  const inactive = last(marks, 'inactive')
  return inactive && inactive >= (last(marks, 'succeeded') ?? '') ? inactive : undefined
}

function withNotice(attempt: Attempt, { state, at }: Mark): Attempt {
  if (state === 'started') return { ...attempt, started_at: attempt.started_at ?? at }
  // Two outcomes for one attempt: the later one, by when it happened.
  return state === 'failed' || state === 'succeeded' ? { ...attempt, finished_at: at, outcome: state } : attempt
}

/** A sender that does not count its tries begins a new one with whatever follows an outcome, except the same success said again. */
function beginsNew(current: Attempt | undefined, { state }: Mark): boolean {
  if (!current) return true
  return current.outcome !== undefined && !(current.outcome === 'succeeded' && state === 'succeeded')
}

/** Its tries, by number. */
export function attemptsOf(marks: readonly Mark[]): readonly Attempt[] {
  const attempts = new Map<number, Attempt>()
  let number = Math.max(0, ...marks.map(({ attempt }) => attempt ?? 0))
  for (const mark of marks) {
    if (!['queued', 'started', 'failed', 'succeeded'].includes(mark.state)) continue
    if (mark.attempt === undefined && beginsNew(attempts.get(number), mark)) number += 1
    const key = mark.attempt ?? number
    attempts.set(key, withNotice(attempts.get(key) ?? { attempt: key }, mark))
  }
  return [...attempts.values()].sort((a, b) => a.attempt - b.attempt)
}

/** When it began and ceased to run, without what says the same again. */
export function movesOf(marks: readonly Mark[]): readonly Move[] {
  const moves: Move[] = []
  for (const { state, at, share, whole } of marks) {
    const before = moves.at(-1)
    if (state === 'succeeded') {
      if (before?.kind !== 'succeeded' || before.share !== share) moves.push({ kind: state, at, share })
    } else if (state === 'removed' && whole) moves.push({ kind: state, at, share: 0 })
    else if ((state === 'rolled_back' || state === 'removed') && before?.kind === 'succeeded') moves.push({ kind: state, at, share: 0 })
  }
  return moves
}

/** What a user sees. */
export function deploymentPhase(marks: readonly Mark[]): string {
  const moved = movesOf(marks).at(-1)?.kind
  if (moved) return moved
  const ended = marks.findLast(({ state }) => state === 'rolled_back' || state === 'removed')
  if (ended) return ended.state
  const attempt = attemptsOf(marks).at(-1)
  if (attempt) return attempt.outcome ?? (attempt.started_at ? 'started' : 'queued')
  return marks.length > 0 ? 'inactive' : 'unseen'
}
