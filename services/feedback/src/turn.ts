import { turn as fact } from '@rondo/contracts/feedback'
import { type Context, type Instant, stream } from '@rondo/kernel'

export type Decision = 'verified' | 'reopened' | 'declined' | 'merged' | 'unmerged'
interface Decided {
  readonly at: Instant
  readonly reason: string
}
interface Move {
  readonly at: Instant
  /** How much was known: of two for one time the better informed holds. */
  readonly basis: number
  readonly artifact: string
  readonly inside: boolean
}
/** A requirement as far as those who asked for it are concerned: the latest of each, by when it happened. */
export interface Turn {
  readonly titled?: { readonly at: Instant; readonly title: string; readonly service: string }
  readonly decisions: { readonly [D in Decision]?: Decided }
  /** In production, by service and environment. */
  readonly places: Readonly<Record<string, Move>>
}

/** The later; of two at once the better informed, else entering. */
function supersedes(known: Move | undefined, move: Move): boolean {
  if (!known || move.at !== known.at) return !known || move.at > known.at
  if (move.basis !== known.basis) return move.basis > known.basis
  return move.inside !== known.inside ? move.inside : move.artifact > known.artifact
}
const isLater = (known: { readonly at: Instant } | undefined, at: Instant) => !known || at > known.at

export type Outcome = 'verified' | 'declined' | 'merged'

/**
 * What there is to tell: verified counts while the requirement runs in production (what was rolled back waits until it is back),
 * declined until reopened, merged until taken back.
 */
export function outcomesOf({ decisions, places }: Turn): readonly Outcome[] {
  const holds = (what: Decision, until: Decision) => decisions[what] !== undefined && decisions[what].at > (decisions[until]?.at ?? '')
  const all = Object.values(places)
  const runs = all.length === 0 || all.some(({ inside }) => inside)
  const told: readonly (readonly [Outcome, boolean])[] = [
    ['verified', holds('verified', 'reopened') && runs],
    ['declined', holds('declined', 'reopened')],
    ['merged', holds('merged', 'unmerged')],
  ]
  return told.filter(([, yes]) => yes).map(([outcome]) => outcome)
}
/** What runs now, the latest first. */
export const runningArtifact = ({ places }: Turn): string | undefined =>
  Object.values(places)
    .filter(({ inside }) => inside)
    .sort((a, b) => (a.at > b.at ? -1 : 1))[0]?.artifact

export const turn = stream('turn', fact, { decisions: {}, places: {} } as Turn)({
  fold: 1,
  asks: {},
  tells: {
    raised: ({ titled }, { title, service }: { title: string; service: string }, { at, streamId }: Context) =>
      titled && titled.at <= at ? [] : [fact.titled({ requirement: streamId, title, service })],
    decided: ({ decisions }, { decision, reason }: { decision: Decision; reason: string }, { at, streamId }: Context) =>
      isLater(decisions[decision], at) ? [fact.decided({ requirement: streamId, decision, reason })] : [],
    moved: ({ places }, { place, ...move }: Move & { place: string }, { streamId }: Context) =>
      supersedes(places[place], move) ? [fact.moved({ requirement: streamId, place, ...move })] : [],
  },
  evolve: {
    titled: (turn, { title, service }, { at }) =>
      turn.titled && turn.titled.at <= at ? turn : { ...turn, titled: { at, title, service } },
    decided: (turn, { decision, reason }, { at }) =>
      isLater(turn.decisions[decision], at) ? { ...turn, decisions: { ...turn.decisions, [decision]: { at, reason } } } : turn,
    moved: (turn, { place, at, artifact, inside, basis }) => {
      const move = { at, artifact, inside, basis }
      return supersedes(turn.places[place], move) ? { ...turn, places: { ...turn.places, [place]: move } } : turn
    },
  },
  keys: {},
  loops: (_, id) => [id],
})
