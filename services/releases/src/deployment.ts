import { deployment as fact } from '@rondo/contracts/releases'
import { type Context, type DataOf, type FactOf, type Instant, stream } from '@rondo/kernel'
import { deploymentPhase, hasMark, type Mark, movesOf, withMark } from './deployment-history.ts'
import { isProduction } from './environment.ts'

type Made = FactOf<typeof fact>
export type Observation = Omit<DataOf<typeof fact.observed>, 'deployment'>
export type IncidentLink = DataOf<typeof fact.incident_linked>

/** What its notices say of it beside the state: by field, what was said first (by when it happened). */
const details = ['source', 'external', 'service', 'repository', 'environment', 'artifact', 'artifact_name', 'revision', 'url'] as const
type Details = { readonly [Name in (typeof details)[number]]?: { readonly at: Instant; readonly value: string } }

export interface Deployment {
  readonly told: Details
  readonly marks: readonly Mark[]
  /** Found out since; the first that was found stays. */
  readonly service?: string
  readonly artifact?: string
  readonly revision?: string
  readonly release?: string
  readonly production?: boolean
  readonly requirements: readonly string[]
  /** Which telling of the artifact's contents the requirements are from. */
  readonly toldOf: number
  /** Own facts that were told, so that none is told twice. */
  readonly announced: readonly string[]
  readonly violations: readonly string[]
  readonly unmapped?: string
  readonly incidents: Readonly<Record<string, IncidentLink>>
}

export interface Resolution {
  readonly service?: string | undefined
  readonly artifact?: string | undefined
  readonly revision?: string | undefined
  readonly release?: string | undefined
  readonly production: boolean
  readonly requirements: readonly string[]
  readonly told: number
}

const unseen: Deployment = { told: {}, marks: [], requirements: [], toldOf: 0, announced: [], violations: [], incidents: {} }

const earlier = (known: { at: Instant; value: string } | undefined, at: Instant, value: string) =>
  known && (known.at < at || (known.at === at && known.value <= value)) ? known : { at, value }

type Notice = Pick<Observation, 'state' | 'share' | 'attempt' | 'whole_service' | 'returned'>
const markOf = ({ state, share, attempt, whole_service, returned }: Notice, at: Instant): Mark => ({
  state,
  at,
  share,
  ...(attempt ? { attempt } : {}),
  ...(whole_service ? { whole: true } : {}),
  ...(returned ? { returned } : {}),
})

function observed(before: Deployment, data: Observation, at: Instant): Deployment {
  const told = Object.fromEntries(
    details.flatMap((name) =>
      data[name] === undefined
        ? before.told[name]
          ? [[name, before.told[name]]]
          : []
        : [[name, earlier(before.told[name], at, data[name])]],
    ),
  )
  return { ...before, told, marks: withMark(before.marks, markOf(data, at)) }
}

function resolved(before: Deployment, { service, artifact, revision, release, production, requirements, told }: Resolution): Deployment {
  const first = {
    service: before.service ?? service,
    artifact: before.artifact ?? artifact,
    revision: before.revision ?? revision,
    release: before.release ?? release,
  }
  const found = Object.fromEntries(Object.entries(first).filter(([, value]) => value !== undefined))
  return { ...before, ...found, production, ...(told >= before.toldOf ? { requirements, toldOf: told } : {}) }
}

export const environmentName = ({ told }: Deployment): string => told.environment?.value ?? ''
export const productionOf = (one: Deployment): boolean => one.production ?? isProduction(environmentName(one))
export const artifactOf = ({ artifact, told }: Deployment): string | undefined => told.artifact?.value ?? artifact
export const revisionOf = ({ revision, told }: Deployment): string | undefined => told.revision?.value ?? revision

const isWhole = ({ marks }: Deployment) => marks.some(({ whole }) => whole)
const announcement = (kind: string, at: Instant, share = 0) => `${at} ${kind} ${share}`

/** What others have to hear of and did not: that it runs, that it does not any more, that it failed. */
function news(after: Deployment, deployment: string): readonly Made[] {
  const { service, announced } = after
  const artifact = artifactOf(after)
  const revision = revisionOf(after)
  const place = { deployment, environment: environmentName(after), production: productionOf(after) }
  const failures = after.marks
    .filter(({ state, at }) => state === 'failed' && !announced.includes(announcement('failed', at)))
    .map(({ at }) => fact.failed({ ...place, at, ...(service ? { service } : {}), ...(artifact ? { artifact } : {}) }))
  if (!service) return failures
  const moves = movesOf(after.marks).filter(({ kind, at, share }) => !announced.includes(announcement(kind, at, share)))
  const removals = moves.filter(({ kind }) => kind === 'removed')
  // who removes a whole service names no artifact
  if (isWhole(after)) return [...failures, ...removals.map(({ at }) => fact.removed({ ...place, service, at }))]
  if (!artifact) return failures
  const what = { ...place, service, artifact, ...(revision ? { revision } : {}), ...(after.release ? { release: after.release } : {}) }
  return [
    ...failures,
    ...moves.map(({ kind, at, share }) => (kind === 'succeeded' ? fact.succeeded({ ...what, at, share }) : fact[kind]({ ...what, at }))),
  ]
}

const told = (state: Deployment, kind: string, at: Instant, share?: number): Deployment => ({
  ...state,
  announced: [...new Set([...state.announced, announcement(kind, at, share)])].sort(),
})

/** Words by which what concerns it is found: the service and artifact that are missing, news of the artifact that it has. */
function lookups(state: Deployment): readonly string[] {
  const { service, told } = state
  const artifact = artifactOf(state)
  const bySender = Object.entries({ service: told.service, repository: told.repository, artifact_name: told.artifact_name })
  return [
    ...(service ? [] : bySender.flatMap(([kind, said]) => (said ? [`${kind} ${said.value}`] : []))),
    ...(artifact ? [`artifact ${artifact}`] : []),
    ...(!artifact && told.revision ? [`revision ${told.revision.value}`] : []),
  ]
}

export const deployment = stream(
  'deployment',
  fact,
  unseen,
)({
  fold: 1,
  asks: {},
  tells: {
    observed(state, data: Observation, { at, streamId }: Context) {
      const after = observed(state, data, at)
      const known = hasMark(state.marks, markOf(data, at)) && JSON.stringify(after) === JSON.stringify(state)
      return [...(known ? [] : [fact.observed({ deployment: streamId, ...data })]), ...news(after, streamId)]
    },
    resolved(state, found: Resolution, { streamId }: Context) {
      const after = resolved(state, found)
      if (JSON.stringify(after) === JSON.stringify(state)) return news(state, streamId)
      const { service, artifact, revision, release } = after
      const now = {
        ...(service ? { service } : {}),
        ...(artifact ? { artifact } : {}),
        ...(revision ? { revision } : {}),
        ...(release ? { release } : {}),
      }
      const facts = [
        fact.resolved({
          deployment: streamId,
          ...now,
          production: found.production,
          requirements: [...after.requirements],
          told: after.toldOf,
        }),
      ]
      return [...facts, ...news(after, streamId)]
    },
    unmapped: (state, { name, reason }: { name: string; reason: string }, { streamId }: Context) =>
      state.service || state.unmapped === reason ? [] : [fact.unmapped({ deployment: streamId, name, reason })],
    /** Reality is recorded; that it was not allowed too, once. */
    violated(state, { reasons, at }: { reasons: readonly string[]; at: Instant }, { streamId }: Context) {
      const artifact = artifactOf(state)
      if (reasons.length === 0 || state.violations.length > 0 || !state.service || !artifact) return []
      return [
        fact.violated({
          deployment: streamId,
          service: state.service,
          environment: environmentName(state),
          artifact,
          reasons: [...reasons],
          at,
        }),
      ]
    },
    incidentLinked: (state, link: IncidentLink) =>
      (state.incidents[link.incident]?.told ?? 0) >= link.told ? [] : [fact.incident_linked(link)],
  },
  evolve: {
    observed: (state, { deployment: _, ...data }, { at }) => observed(state, data, at),
    resolved: (state, found) => resolved(state, found),
    succeeded: (state, { at, share }) => told(state, 'succeeded', at, share),
    rolled_back: (state, { at }) => told(state, 'rolled_back', at),
    removed: (state, { at }) => told(state, 'removed', at),
    failed: (state, { at }) => told(state, 'failed', at),
    violated: (state, { reasons }) => (state.violations.length > 0 ? state : { ...state, violations: reasons }),
    incident_linked: (state, link) => ({ ...state, incidents: { ...state.incidents, [link.incident]: link } }),
    unmapped: (state, { reason }) => ({ ...state, unmapped: reason }),
  },
  phase: ({ marks }) => deploymentPhase(marks),
  closed: ['failed', 'rolled_back', 'removed'],
  keys: {
    service: ({ service }) => (service ? [service] : []),
    environment: (state) => (environmentName(state) ? [environmentName(state)] : []),
    artifact: (state) => [artifactOf(state)].filter((artifact) => artifact !== undefined),
    external: ({ told }) => (told.external ? [told.external.value] : []),
    incident: ({ incidents }) => Object.keys(incidents),
    lookup: lookups,
  },
  loops: ({ requirements }) => requirements,
})
