import type { Builds } from '@rondo/proto/builds'
import type { Operations } from '@rondo/proto/operations'
import type { Releases } from '@rondo/proto/releases'
import type { Api } from '../api.ts'
import { CliError } from '../exit.ts'

export interface Answer {
  /** refused: by policy, and may still change. failed: it is over, and not well. */
  readonly outcome: 'met' | 'pending' | 'refused' | 'failed'
  readonly state: string
  /** All that is not met, each in words. */
  readonly unmet: readonly string[]
}
export interface Target {
  readonly name: string
  readonly id: string
  /** What is waited for, in words. */
  readonly what: string
  readonly look: () => Promise<Answer>
}

/** What is not there yet may still come: an artifact is known a moment after it was reported. */
async function orPending(look: () => Promise<Answer>, state: string): Promise<Answer> {
  try {
    return await look()
  } catch (error) {
    if (error instanceof CliError && error.exit === 'notFound') return { outcome: 'pending', state, unmet: [] }
    throw error
  }
}

type Decision = NonNullable<Builds['GetGate']['response']['decision']>
const settled = new Set(['pass', 'info'])

export function gateAnswer(decision: Decision | null): Answer {
  if (!decision?.verdict) return { outcome: 'pending', state: 'there is no verdict yet', unmet: [] }
  const { verdict, release_allowed, criteria, reasons } = decision
  if (release_allowed) return { outcome: 'met', state: `the verdict is ${verdict}, and it may be released`, unmet: [] }
  const failing = criteria.filter(({ status, waived_by }) => !settled.has(status) && !waived_by)
  const unmet = failing.map(
    ({ id, status, value, threshold, reason }) =>
      `${id}: ${status}${value === undefined ? '' : `, ${value}`} (${threshold || 'no threshold'})${reason ? `; ${reason}` : ''}`,
  )
  // What could not be measured yet may come; what was measured and is too bad is refused
  const outcome = verdict === 'inconclusive' ? 'pending' : 'refused'
  return { outcome, state: `the verdict is ${verdict}`, unmet: unmet.length > 0 ? unmet : reasons }
}

const gate = (api: Api, artifact: string): Target => ({
  name: 'gate',
  id: artifact,
  what: `the gate of ${artifact}`,
  look: () =>
    orPending(
      async () => gateAnswer((await api.rpc<Builds['GetGate']['response']>('rondo.builds.v1.Builds/GetGate', { artifact })).decision),
      `${artifact} is not known yet`,
    ),
})

type Deployment = NonNullable<Releases['GetDeployment']['response']['deployment']>
export function deploymentAnswer({ phase, environment, violations }: Deployment): Answer {
  if (phase === 'succeeded')
    return {
      outcome: 'met',
      state: `it succeeded in ${environment}${violations.length > 0 ? `, against the rules: ${violations.join('; ')}` : ''}`,
      unmet: [],
    }
  if (phase === 'failed' || phase === 'rolled_back') return { outcome: 'failed', state: `it is ${phase.replace('_', ' ')}`, unmet: [] }
  return { outcome: 'pending', state: `it is ${phase || 'not known yet'}`, unmet: [] }
}

type Release = NonNullable<Releases['GetRelease']['response']['release']>
const over = new Set(['refused', 'withdrawn', 'void'])
export function releaseAnswer(release: Release, runs: readonly string[], environment: string): Answer {
  const { release_id, phase, approval_obstacles, deployment_obstacles, reason } = release
  if (runs.includes(release_id)) return { outcome: 'met', state: `${release_id} runs in ${environment}`, unmet: [] }
  const unmet = [...new Set([...approval_obstacles, ...deployment_obstacles])]
  if (over.has(phase)) return { outcome: 'refused', state: `${release_id} is ${phase}${reason ? `: ${reason}` : ''}`, unmet }
  const state =
    unmet.length > 0
      ? `${release_id} is ${phase.replaceAll('_', ' ')}`
      : `${release_id} may be deployed and does not run in ${environment} yet`
  return { outcome: 'pending', state, unmet }
}

async function deployed(api: Api, id: string, environment: string): Promise<Answer> {
  if (!id.startsWith('REL-')) {
    const { deployment } = await api.rpc<Releases['GetDeployment']['response']>('rondo.releases.v1.Releases/GetDeployment', {
      deployment_id: id,
    })
    return deployment ? deploymentAnswer(deployment) : { outcome: 'pending', state: 'it is not known yet', unmet: [] }
  }
  const { release } = await api.rpc<Releases['GetRelease']['response']>('rondo.releases.v1.Releases/GetRelease', { release_id: id })
  if (!release) return { outcome: 'pending', state: 'it is not known yet', unmet: [] }
  const { releases } = await api.rpc<Releases['WhatRuns']['response']>('rondo.releases.v1.Releases/WhatRuns', {
    service: release.service,
    environment,
  })
  return releaseAnswer(release, releases, environment)
}

const deploy = (api: Api, id: string, environment: string): Target => ({
  name: 'deploy',
  id,
  what: id.startsWith('REL-') ? `${id} to run in ${environment}` : `the deployment ${id}`,
  look: () => orPending(() => deployed(api, id, environment), `${id} is not known yet`),
})

type Proof = NonNullable<Operations['GetProof']['response']['proof']>
export function proofAnswer({ proof_id, phase, reason, after, needed_further_exposure: needed }: Proof): Answer {
  const told = `${proof_id} is ${phase}${reason ? `: ${reason}` : ''}`
  if (phase === 'verified') return { outcome: 'met', state: told, unmet: [] }
  if (phase === 'regressed' || phase === 'recurred' || phase === 'inconclusive') return { outcome: 'failed', state: told, unmet: [] }
  const more = needed === undefined ? [] : [`needs about ${Math.ceil(needed)} more ${after?.unit || 'requests'} in which nothing happens`]
  return { outcome: 'pending', state: told, unmet: more }
}

/** Of a requirement it is the latest attempt. */
async function proven(api: Api, id: string): Promise<Answer> {
  if (id.startsWith('PRF-')) {
    const { proof } = await api.rpc<Operations['GetProof']['response']>('rondo.operations.v1.Operations/GetProof', { proof_id: id })
    return proof ? proofAnswer(proof) : { outcome: 'pending', state: 'it is not known yet', unmet: [] }
  }
  const { proofs } = await api.rpc<Operations['ListProofs']['response']>('rondo.operations.v1.Operations/ListProofs', {
    requirement_id: id,
  })
  const latest = proofs.toSorted((a, b) => (a.clock_started_at < b.clock_started_at ? 1 : -1))[0]
  return latest
    ? proofAnswer(latest)
    : { outcome: 'pending', state: `no proof of ${id} has begun: nothing with the fix runs yet`, unmet: [] }
}

const proof = (api: Api, id: string): Target => ({
  name: 'proof',
  id,
  what: id.startsWith('PRF-') ? `the proof ${id}` : `the proof of ${id}`,
  look: () => orPending(() => proven(api, id), `${id} is not known yet`),
})

export const targets: Readonly<Record<string, (api: Api, id: string, environment: string) => Target>> = { gate, deploy, proof }
