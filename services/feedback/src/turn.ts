import { turn as fact } from '@rondo/contracts/feedback'
import { type Context, type Instant, stream } from '@rondo/kernel'

export type Decision = 'verified' | 'reopened' | 'declined' | 'merged' | 'unmerged'
interface Decided {
  readonly at: Instant
  readonly reason: string
}
interface Place {
  readonly at: Instant
  readonly artifact: string
  readonly inside: boolean
}
/** A requirement as far as those who asked for it are concerned: the latest of each, by when it happened. */
export interface Turn {
  readonly titled?: { readonly at: Instant; readonly title: string; readonly service: string }
  readonly decisions: { readonly [D in Decision]?: Decided }
  /** Production environments. */
  readonly places: Readonly<Record<string, Place>>
}

/** Of two moves at once, entering counts. */
const supersedes = (known: Place | undefined, at: Instant, inside: boolean) =>
  !known || at > known.at || (at === known.at && inside && !known.inside)
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
    moved: (
      { places },
      { environment, artifact, inside }: { environment: string; artifact: string; inside: boolean },
      { at, streamId }: Context,
    ) => (supersedes(places[environment], at, inside) ? [fact.moved({ requirement: streamId, environment, artifact, inside })] : []),
  },
  evolve: {
    titled: (turn, { title, service }, { at }) =>
      turn.titled && turn.titled.at <= at ? turn : { ...turn, titled: { at, title, service } },
    decided: (turn, { decision, reason }, { at }) =>
      isLater(turn.decisions[decision], at) ? { ...turn, decisions: { ...turn.decisions, [decision]: { at, reason } } } : turn,
    moved: (turn, { environment, artifact, inside }, { at }) =>
      supersedes(turn.places[environment], at, inside)
        ? { ...turn, places: { ...turn.places, [environment]: { at, artifact, inside } } }
        : turn,
  },
  keys: {},
  loops: (_, id) => [id],
})
