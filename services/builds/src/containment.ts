/** A commit as far as it is known. */
export interface Commit {
  readonly sha: string
  /** Undefined: the sender did not tell; that is not "none". */
  readonly parents?: readonly string[] | undefined
  /** Commits known to lie behind it although the parents are unknown. */
  readonly reaches: readonly string[]
  /** A shallow clone ended here: no parents seen is not "no parents". */
  readonly shallow: boolean
  readonly patch_id?: string | undefined
  readonly committed_at: string
  /** Requirement ids. */
  readonly implements: readonly string[]
  /** Commit ids, perhaps shortened. */
  readonly reverts: readonly string[]
  readonly picked_from: readonly string[]
}

/** What is known of the commits, with the indexes that the questions need. */
export interface Graph {
  readonly commits: ReadonlyMap<string, Commit>
  readonly byPatch: ReadonlyMap<string, readonly string[]>
  /** By the commit that was picked, those that name it. */
  readonly picks: ReadonlyMap<string, readonly string[]>
  readonly reverters: readonly Commit[]
}

/** All that lies behind a revision. */
export interface History {
  readonly revision: string
  readonly reach: ReadonlySet<string>
  /** Commits that would have to be known (or known with their parents) to see all of it. Empty: it is complete. */
  readonly missing: readonly string[]
}

export interface Answer {
  readonly answer: 'yes' | 'no' | 'unknown'
  /** For yes the commit that carries the change, for no the one that took it back. */
  readonly restsOn?: string
  readonly reason: string
  readonly missing: readonly string[]
}

const multimap = (pairs: Iterable<readonly [string, string]>): ReadonlyMap<string, readonly string[]> => {
  const map = new Map<string, string[]>()
  for (const [key, value] of pairs) {
    const known = map.get(key)
    if (known) known.push(value)
    else map.set(key, [value])
  }
  return map
}

export function graphOf(all: Iterable<Commit>): Graph {
  const commits = new Map([...all].map((commit) => [commit.sha, commit]))
  const list = [...commits.values()]
  return {
    commits,
    byPatch: multimap(list.flatMap(({ sha, patch_id }) => (patch_id ? [[patch_id, sha] as const] : []))),
    picks: multimap(list.flatMap(({ sha, picked_from }) => picked_from.map((from) => [fullId(commits, from), sha] as const))),
    reverters: list.filter(({ reverts }) => reverts.length > 0),
  }
}

/** Messages may name a commit by its first digits; where they fit more than one, nobody can say which. */
function fullId(commits: ReadonlyMap<string, Commit>, named: string): string {
  if (named.length >= 40 || commits.has(named)) return named
  const fitting = [...commits.keys()].filter((sha) => sha.startsWith(named))
  return fitting.length === 1 ? (fitting[0] ?? named) : named
}

const before = ({ parents, reaches }: Commit) => (parents ? [...parents, ...reaches] : reaches)
/** Nothing lies behind a root; behind one whose parents were not told or not seen, nobody knows. */
const isOpen = ({ parents, shallow }: Commit) => parents === undefined || (shallow && parents.length === 0)

/** Walks from a commit over all that is known; a depth of 10,000 commits is 10,000 steps, no recursion. */
export function historyOf({ commits }: Graph, revision: string): History {
  const reach = new Set<string>()
  const missing = new Set<string>()
  const open = [revision]
  for (let sha = open.pop(); sha !== undefined; sha = open.pop()) {
    const commit = commits.get(sha)
    if (!commit) {
      missing.add(sha)
      continue
    }
    if (reach.has(sha)) continue
    reach.add(sha)
    if (isOpen(commit)) missing.add(sha)
    for (const next of before(commit)) if (!reach.has(next)) open.push(next)
  }
  return { revision, reach, missing: [...missing].sort() }
}

/** Remembers the histories that a question walks more than once. */
export function asker(graph: Graph) {
  const histories = new Map<string, History>()
  const history = (sha: string): History => {
    const known = histories.get(sha) ?? historyOf(graph, sha)
    histories.set(sha, known)
    return known
  }
  /** All that one revert takes back: reverting a merge takes back what the merge brought in. */
  const takenBack = (revert: Commit): readonly string[] =>
    revert.reverts.flatMap((named) => {
      const target = fullId(graph.commits, named)
      const [main, ...merged] = graph.commits.get(target)?.parents ?? []
      if (!main || merged.length === 0) return [target]
      const kept = history(main).reach
      return [target, ...merged.flatMap((side) => [...history(side).reach].filter((sha) => !kept.has(sha)))]
    })
  const reverts = new Map(graph.reverters.map((revert) => [revert.sha, takenBack(revert)] as const))
  const revertersOf = multimap([...reverts].flatMap(([revert, targets]) => targets.map((target) => [target, revert] as const)))
  return { graph, history, revertersOf }
}
export type Asker = ReturnType<typeof asker>

/** The commit itself, those with its patch-id, and those that say they were picked from one of them. */
function equivalents({ commits, byPatch, picks }: Graph, change: string): ReadonlySet<string> {
  const found = new Set([change])
  for (const sha of found) {
    const patch = commits.get(sha)?.patch_id
    for (const twin of [...(patch ? (byPatch.get(patch) ?? []) : []), ...(picks.get(sha) ?? [])]) found.add(twin)
  }
  return found
}

/** The commit within the history that carries the change, or the one that took it back; neither: it is nowhere. */
export function carrier(
  ask: Asker,
  { reach }: History,
  change: string,
  asked: ReadonlySet<string> = new Set(),
): { by?: string; takenBackBy?: string } {
  const same = equivalents(ask.graph, change)
  const found = [...same].filter((sha) => reach.has(sha)).sort((a, b) => Number(b === change) - Number(a === change))
  const reverters = [...same].flatMap((sha) => ask.revertersOf.get(sha) ?? []).filter((revert) => reach.has(revert) && !asked.has(revert))
  let takenBackBy: string | undefined
  for (const sha of found) {
    // only a later one takes it back, and only where it was not taken back itself
    const against = reverters.find(
      (revert) =>
        revert !== sha &&
        ask.history(revert).reach.has(sha) &&
        carrier(ask, { reach, revision: '', missing: [] }, revert, new Set([...asked, revert])).by,
    )
    if (!against) return { by: sha }
    takenBackBy ??= against
  }
  return takenBackBy ? { takenBackBy } : {}
}

/**
 * Whether a revision contains a change (DEFINITIONS, Containment): the commit, one with its patch-id or one picked from it is an
 * ancestor, and no later ancestor reverts it. Never by version order; where the history is not known, the answer says so.
 */
export function contains(ask: Asker, revision: string, change: string): Answer {
  const history = ask.history(revision)
  const { by, takenBackBy } = carrier(ask, history, change)
  const missing = history.missing
  if (by)
    return { answer: 'yes', restsOn: by, reason: by === change ? 'it is an ancestor' : 'an ancestor carries the same change', missing: [] }
  if (takenBackBy) return { answer: 'no', restsOn: takenBackBy, reason: 'a later ancestor reverts it', missing: [] }
  if (missing.length > 0) return { answer: 'unknown', reason: 'the history behind the revision is not known to its end', missing }
  if (!ask.graph.commits.has(change))
    return { answer: 'unknown', reason: 'the change is not known, so what carries the same patch is not either', missing: [change] }
  return { answer: 'no', reason: 'neither it nor one that carries the same change is an ancestor', missing: [] }
}

/** Requirements that a revision contains: those whose change, or one of whose changes, it carries. */
export function requirementsIn(ask: Asker, revision: string): readonly string[] {
  const history = ask.history(revision)
  const found = new Set<string>()
  for (const { sha, implements: ids } of ask.graph.commits.values()) {
    if (ids.some((id) => !found.has(id)) && carrier(ask, history, sha).by) for (const id of ids) found.add(id)
  }
  return [...found].sort()
}

/** Commits that the one revision has and the other has not, newest first. */
export function newIn(ask: Asker, revision: string, old: string | undefined): readonly string[] {
  const known = old === undefined ? new Set<string>() : ask.history(old).reach
  const at = (sha: string) => ask.graph.commits.get(sha)?.committed_at ?? ''
  return [...ask.history(revision).reach]
    .filter((sha) => !known.has(sha))
    .sort((a, b) => (at(a) === at(b) ? (a < b ? 1 : -1) : at(a) < at(b) ? 1 : -1))
}
