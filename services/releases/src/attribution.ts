import type { incidentNote as fact } from '@rondo/contracts/releases'
import type { DataOf, Tell } from '@rondo/kernel'
import { tell } from '@rondo/kernel'
import type { Found, Read } from '@rondo/reaction'
import { artifactOf, type Deployment, deployment, environmentName, type IncidentLink } from './deployment.ts'
import { firstSuccess } from './deployment-history.ts'
import { causeOf, type IncidentNote, incidentNote } from './incident-note.ts'

const decisions = { deployment: 'caused', not_a_deployment: 'not_caused', undecided: 'undecided' } as const

function candidate(incident: string, { id, state }: Found<Deployment>): Tell {
  const artifact = artifactOf(state)
  const succeeded_at = firstSuccess(state.marks)
  const seen: DataOf<typeof fact.candidate> = {
    incident,
    deployment: id,
    environment: environmentName(state),
    seen_at: state.marks[0]?.at ?? '',
    ...(state.told.external ? { external: state.told.external.value } : {}),
    ...(state.service ? { service: state.service } : {}),
    ...(artifact ? { artifact } : {}),
    ...(succeeded_at ? { succeeded_at } : {}),
  }
  return tell(incidentNote, incident, 'candidateSeen', seen)
}

/** Deployments that an incident may have come from. */
export async function deploymentsFor(read: Read, id: string): Promise<readonly Tell[]> {
  const { attribution } = await read.load(incidentNote, id)
  const named = attribution?.deployment ? [attribution.deployment] : []
  const found = await Promise.all([
    attribution?.artifact ? read.find(deployment, 'artifact', [attribution.artifact]) : [],
    read.find(deployment, 'external', named),
    read.loadAll(deployment, named),
  ])
  return [...new Map(found.flat().map((one) => [one.id, one])).values()].map((one) => candidate(id, one))
}

/** Incidents that were said to come from this deployment or its artifact. */
export async function incidentsFor(read: Read, id: string): Promise<readonly Tell[]> {
  const [one] = await read.loadAll(deployment, [id])
  if (!one) return []
  const artifact = artifactOf(one.state)
  const found = await Promise.all([
    artifact ? read.find(incidentNote, 'artifact', [artifact]) : [],
    read.find(incidentNote, 'deployment', [id, ...(one.state.told.external ? [one.state.told.external.value] : [])]),
    read.find(incidentNote, 'candidate', [id]),
  ])
  return [...new Set(found.flat().map((incident) => incident.id))].map((incident) => candidate(incident, one))
}

/**
 * Each candidate is told what holds now; one that was blamed before and is not any more, too. The incident's own version
 * counts the tellings: what was decided of more is newer.
 */
export function linksOf({ id, version, state }: Found<IncidentNote>): readonly Tell[] {
  const cause = causeOf(state)
  const decision = state.attribution ? decisions[state.attribution.cause] : 'undecided'
  const times = {
    ...(state.began_at ? { began_at: state.began_at } : {}),
    ...(state.resolution ? { resolved_at: state.resolution.resolved_at } : {}),
  }
  return state.candidates.map((one): Tell => {
    const link: IncidentLink = { incident: id, ...times, told: version, decision: one.deployment === cause ? decision : 'not_caused' }
    return tell(deployment, one.deployment, 'incidentLinked', link)
  })
}
