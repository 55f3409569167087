import { requirement as fact } from '@rondo/contracts/requirements'
import { type Instant, type Occurrence, stream } from '@rondo/kernel'
import { asks } from './asks.ts'
import { belonging, earliestOf, idsOf, joined, movedAway, none, requestId } from './evidence.ts'
import { laterMove, type Phase, type Place, phaseOf, placeKey, type Reopening, type Requirement, type Seen } from './phase.ts'
import { tells } from './tells.ts'

/** The most that is kept of each; the rest stays in the history. */
const most = { changes: 200, artifacts: 50, proofs: 50, reopenings: 20 }
const initial: Requirement = {
  signals: none,
  requests: none,
  incidents: none,
  changes: {},
  artifacts: {},
  places: {},
  proofs: {},
  reopenings: [],
}

function placed(requirement: Requirement, move: Place): Requirement {
  const key = placeKey(move)
  const known = requirement.places[key]
  const entered = move.inside ? earliestOf(known?.entered, move.at) : known?.entered
  const place = known && !laterMove(known, move) ? known : move
  return { ...requirement, places: { ...requirement.places, [key]: { ...place, ...(entered && { entered }) } } }
}

/** Of what persons decide, the later; at the same instant, the one that came last. */
const latest = <S extends Seen>(known: S | undefined, next: S): S => (known && known.at > next.at ? known : next)

/** The newest by `time`, whichever arrived first. */
function newest<T>(all: Readonly<Record<string, T>>, limit: number, time: (entry: T) => Instant): Readonly<Record<string, T>> {
  const entries = Object.entries(all)
  if (entries.length <= limit) return all
  return Object.fromEntries(entries.sort(([a, x], [b, y]) => (`${time(x)} ${a}` > `${time(y)} ${b}` ? -1 : 1)).slice(0, limit))
}

function decided(
  requirement: Requirement,
  artifact: string,
  { at }: Occurrence,
  allowed: boolean,
  reasons: readonly string[],
): Requirement {
  const known = requirement.artifacts[artifact]
  const decision = known && known.decided > at ? known : { decided: at, allowed, reasons }
  const first = allowed && (!known?.built || at < known.built) ? at : known?.built
  const next = { ...decision, ...(first && { built: first }) }
  return { ...requirement, artifacts: newest({ ...requirement.artifacts, [artifact]: next }, most.artifacts, (entry) => entry.decided) }
}

function judged(
  requirement: Requirement,
  proof: string,
  verdict: { status: 'verified' | 'regressed' | 'undecided'; reason: string; at: Instant },
): Requirement {
  const known = requirement.proofs[proof]
  if (known?.verdict && known.verdict.at >= verdict.at) return requirement
  return withProof(requirement, proof, { ...known, verdict })
}
const withProof = (requirement: Requirement, id: string, proof: Requirement['proofs'][string]): Requirement => ({
  ...requirement,
  proofs: newest({ ...requirement.proofs, [id]: proof }, most.proofs, ({ opened, verdict }) => opened ?? verdict?.at ?? ''),
})

/** The earliest report says what it is, whichever arrived first. */
const earliest = (requirement: Requirement, draft: Omit<NonNullable<Requirement['raised']>, 'at'>, { at }: Occurrence): Requirement => ({
  ...requirement,
  raised: requirement.raised && requirement.raised.at <= at ? requirement.raised : { ...draft, at },
})

const reopeningKey = ({ at, proof, signal }: Reopening) => `${at} ${proof} ${signal}`
function reopened(requirement: Requirement, next: Reopening): Requirement {
  const others = requirement.reopenings.filter((known) => reopeningKey(known) !== reopeningKey(next))
  return {
    ...requirement,
    reopenings: [...others, next].sort((a, b) => (reopeningKey(a) < reopeningKey(b) ? -1 : 1)).slice(-most.reopenings),
  }
}

const open = (phase: Phase) => !['unseen', 'verified', 'declined', 'merged'].includes(phase)

export const requirement = stream(
  'requirement',
  fact,
  initial,
)({
  fold: 2,
  asks,
  tells,

  evolve: {
    raised: earliest,
    dated_back: earliest,
    joined: (requirement, { signal, problem, episode, moved_from }, occurrence) => ({
      ...requirement,
      signals: joined(requirement.signals, { id: signal, problem, at: episode, from: moved_from, repeats: true }, occurrence),
    }),
    requested: (requirement, { item, requester, moved_from }, occurrence) => ({
      ...requirement,
      requests: joined(requirement.requests, { id: requestId(item, requester), item, requester, from: moved_from }, occurrence),
    }),
    incident_joined: (requirement, { incident, signals, moved_from }, occurrence) => ({
      ...requirement,
      incidents: joined(requirement.incidents, { id: incident, signals, from: moved_from }, occurrence),
    }),
    split: (requirement, { signals, items, incidents, to }, occurrence) => ({
      ...requirement,
      split: latest(requirement.split, { to, at: occurrence.at }),
      signals: movedAway(requirement.signals, signals, occurrence),
      requests: movedAway(requirement.requests, items, occurrence),
      incidents: movedAway(requirement.incidents, incidents, occurrence),
    }),
    refined: (requirement, refinement, { at }) => ({ ...requirement, refined: latest(requirement.refined, { ...refinement, at }) }),
    readied: (requirement, _, { at }) => ({ ...requirement, readied: latest(requirement.readied, { at }) }),
    named: (requirement, { sha, repository, at: committed_at }, { at }) => {
      const known = requirement.changes[sha]
      const change = { repository, committed_at: earliestOf(known?.committed_at, committed_at), at: earliestOf(known?.at, at) }
      return { ...requirement, changes: newest({ ...requirement.changes, [sha]: change }, most.changes, (entry) => entry.at) }
    },
    built: (requirement, { artifact }, occurrence) => decided(requirement, artifact, occurrence, true, []),
    held: (requirement, { artifact, reasons }, occurrence) => decided(requirement, artifact, occurrence, false, reasons),
    entered: (requirement, move) => placed(requirement, { ...move, inside: true }),
    left: (requirement, move) => placed(requirement, { ...move, inside: false }),
    proof_opened: (requirement, { proof, environment }, { at }) => {
      const known = requirement.proofs[proof]
      return withProof(requirement, proof, { ...known, environment, opened: earliestOf(known?.opened, at) })
    },
    verified: (requirement, { proof, by, reason }, { at }) => {
      const next = { ...requirement, verified: latest(requirement.verified, { at, proof, by, reason }) }
      return proof ? judged(next, proof, { status: 'verified', reason: reason ?? '', at }) : next
    },
    undecided: (requirement, { proof, reason }, { at }) => judged(requirement, proof, { status: 'undecided', reason, at }),
    regressed: (requirement, { proof, reason }, { at }) => judged(requirement, proof, { status: 'regressed', reason, at }),
    reopened: (requirement, { proof, signal, reason, from }, { at }) => reopened(requirement, { at, proof, signal, reason, from }),
    declined: (requirement, { reason }, { at }) => ({ ...requirement, declined: latest(requirement.declined, { reason, at }) }),
    merged: (requirement, { into }, { at }) => ({ ...requirement, merge: latest(requirement.merge, { into, at }) }),
    unmerged: (requirement, _, { at }) => ({ ...requirement, merge: latest(requirement.merge, { into: null, at }) }),
    pinned: (requirement, { rank }, { at }) => ({ ...requirement, pin: latest(requirement.pin, { rank, at }) }),
  },

  phase: phaseOf,
  closed: ['verified', 'declined', 'merged'],
  keys: {
    /** One requirement per problem, also while it is verified or merged: what comes again has a home. */
    problem: (requirement) => (requirement.raised?.problem && phaseOf(requirement) !== 'declined' ? [requirement.raised.problem] : []),
    /** What may raise only one, ever. */
    origin: ({ raised }) => (raised && onlyOne.has(raised.origin.kind) ? [originKey(raised.origin.kind, raised.origin.id)] : []),
    signal: (requirement) => (phaseOf(requirement) === 'declined' ? [] : signalsOf(requirement)),
    change: ({ changes }) => Object.keys(changes),
    /** Where it moved in or out, and when: a better informed word about that time finds it. */
    moved: ({ places }) => Object.values(places).map(movedKey),
    service: ({ raised }) => (raised ? [raised.service] : []),
    raised: ({ raised }) => (raised ? ['raised'] : []),
    open: (requirement) => (open(phaseOf(requirement)) ? ['open'] : []),
  },
  unique: ['problem', 'origin'],
  loops: (_, id) => [id],
})

/** Its own, and those that its incidents are about. */
function signalsOf({ signals, incidents }: Requirement): readonly string[] {
  const about = belonging(incidents).flatMap(([, incident]) => incident.signals ?? [])
  return [...new Set([...idsOf(signals), ...about.filter((id) => !signals.gone[id])])].sort()
}

export const movedKey = (place: Pick<Place, 'service' | 'environment' | 'at'>) => `${placeKey(place)}@${place.at}`

const onlyOne = new Set(['incident', 'feedback', 'review', 'import'])
export const originKey = (kind: string, id: string) => `${kind}:${id}`
