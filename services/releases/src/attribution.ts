import { type Found, type Read, type Tell, tell } from '@rondo/kernel'
import { artifactOf, type Deployment, deployment, environmentName, type IncidentLink } from './deployment.ts'
import { firstSuccess } from './deployment-history.ts'
import { type IncidentNote, incidentNote } from './incident-note.ts'

/** An incident and the deployments that it may have come from, or was said to have come from before. */
export interface Case {
  readonly incident: Found<IncidentNote>
  readonly candidates: readonly Found<Deployment>[]
}

const decisions = { deployment: 'caused', not_a_deployment: 'not_caused', undecided: 'undecided' } as const

export async function casesOf(read: Read, ids: readonly string[]): Promise<readonly Case[]> {
  const incidents = await read.loadAll(incidentNote, ids)
  return Promise.all(incidents.map(async (incident) => ({ incident, candidates: await candidatesOf(read, incident) })))
}

async function candidatesOf(read: Read, { id, state: { attribution } }: Found<IncidentNote>): Promise<readonly Found<Deployment>[]> {
  const named = attribution?.deployment ? [attribution.deployment] : []
  const found = await Promise.all([
    read.find(deployment, 'incident', [id]),
    attribution?.artifact ? read.find(deployment, 'artifact', [attribution.artifact]) : [],
    read.find(deployment, 'external', named),
    read.loadAll(deployment, named),
  ])
  return [...new Map(found.flat().map((one) => [one.id, one])).values()]
}

/** The one that was named; else of those that brought the artifact there, the last one before it began. */
function causeOf({ incident: { state }, candidates }: Case): Found<Deployment> | undefined {
  const { attribution, environment, began_at, service } = state
  if (!attribution || attribution.cause === 'not_a_deployment') return undefined
  const here = candidates
    .filter((one) => one.state.service === service)
    .filter(({ id, state: { told } }) => !attribution.deployment || [id, told.external?.value].includes(attribution.deployment))
    .filter((one) => !attribution.artifact || artifactOf(one.state) === attribution.artifact)
    .filter((one) => attribution.deployment || !environment || environmentName(one.state) === environment)
    .map((found) => ({ found, since: firstSuccess(found.state.marks) ?? found.state.marks[0]?.at ?? '' }))
    .sort((a, b) => (a.since < b.since || (a.since === b.since && a.found.id < b.found.id) ? -1 : 1))
  return (here.findLast(({ since }) => !began_at || since <= began_at) ?? here[0])?.found
}

/** Every deployment concerned is told what holds now; one that was blamed before and is not any more, too. */
export function linksOf(one: Case): readonly Tell[] {
  const { id, version, state } = one.incident
  const cause = causeOf(one)
  const decision = state.attribution ? decisions[state.attribution.cause] : 'undecided'
  const times = { ...(state.began_at ? { began_at: state.began_at } : {}), ...(state.resolution ? { resolved_at: state.resolution.resolved_at } : {}) }
  return one.candidates
    .filter((found) => found.id === cause?.id || found.state.incidents[id])
    .map((found): Tell => {
      const link: IncidentLink = { incident: id, ...times, told: version, decision: found.id === cause?.id ? decision : 'not_caused' }
      return tell(deployment, found.id, 'incidentLinked', link)
    })
}
