import { digest as digestSchema } from '@rondo/contracts/values'
import { ask, parseInstant, refuse, toInstant } from '@rondo/kernel'
import type { Releases } from '@rondo/proto/releases'
import type { Found, Read } from '@rondo/reaction'
import { type Role, rpcs } from '@rondo/runtime'
import { z } from 'zod'
import { contributorsAnswer, deploymentAnswer, handoverAnswer, historyOf, metricsAnswer, releaseAnswer, unknownAnswer } from './answers.ts'
import { artifactNote, serviceOf, verdictsOf } from './artifact-note.ts'
import { changeNote } from './change-note.ts'
import { artifactOf, type Deployment, deployment, revisionOf } from './deployment.ts'
import { environment, environmentOf } from './environment.ts'
import { handover } from './handover.ts'
import { identityNote } from './identity-note.ts'
import { incidentNote } from './incident-note.ts'
import { releaseId } from './names.ts'
import { type Release, release } from './release.ts'
import { contentsOf } from './release-contents.ts'
import { runningOf } from './running.ts'
import { serviceNote } from './service-note.ts'

const everybody: readonly Role[] = ['reporter', 'developer', 'approver', 'operator', 'product_owner', 'auditor']

const text = z.string().trim().min(1, 'must not be empty').max(500)
const optional = z.string().trim().max(500)
const idText = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9._-]{0,99}$/, 'a letter, then up to 99 letters, digits, ".", "_" or "-", such as REL-39')
const id = { release_id: idText }
const orNone = <S extends z.ZodType<string>>(schema: S) => z.union([z.literal(''), schema])
const sha = z.string().regex(/^[0-9a-f]{40}(?:[0-9a-f]{24})?$/, 'a full commit id of 40 or 64 hex digits')
const actor = z
  .string()
  .regex(/^(person|service):.+/, 'person:<id> or service:<name>')
  .max(500)
const time = z.string().transform((value, context) => {
  const instant = parseInstant(value)
  if (!instant)
    context.issues.push({ code: 'custom', message: 'an RFC 3339 time with an offset, such as 2026-11-12T00:00:00Z', input: value })
  return instant ?? z.NEVER
})
const page = {
  page_size: z.number().int().min(0).max(500),
  page_token: z.string(),
  order: z.enum(['', 'occurred_at', 'occurred_at desc']),
}
const releasePhases = ['candidate', 'approval_requested', 'approved', 'refused', 'void', 'withdrawn'] as const
const deploymentPhases = ['queued', 'started', 'succeeded', 'failed', 'rolled_back', 'removed', 'inactive'] as const

const listing = ({
  phase,
  page_size,
  page_token,
  order,
}: {
  phase: string
  page_size: number
  page_token: string
  order: '' | 'occurred_at' | 'occurred_at desc'
}) => ({
  phase: phase || undefined,
  order: order || ('occurred_at desc' as const),
  pageSize: page_size || 50,
  ...(page_token ? { pageToken: page_token } : {}),
})
const given = (keys: Readonly<Record<string, string>>) => Object.fromEntries(Object.entries(keys).filter(([, value]) => value))

const answer = ({ release_id }: { release_id: string }, _: string, version: number) => ({ release_id, version: String(version) })
const now = () => toInstant(new Date())

async function foundRelease(read: Read, release_id: string): Promise<Found<Release>> {
  const [found] = await read.loadAll(release, [release_id])
  return found && found.state.step !== 'unseen' ? found : refuse('not_found', `there is no release ${release_id}`, { path: 'release_id' })
}

const unmapped = (actors: readonly string[]) => [...new Set(actors.filter((one) => one.startsWith('unmapped:')))]
async function mappingsOf(read: Read, actors: readonly string[]) {
  const found = await read.loadAll(identityNote, unmapped(actors))
  return found.flatMap(({ id, state: { person } }) => (person ? [{ identity: id, person }] : []))
}

/** What is known of the artifacts, so that the answer names the hash of what is in them. */
async function creation(read: Read, service: string, artifacts: readonly string[], notes: string) {
  const [known, { policy }] = await Promise.all([read.loadAll(artifactNote, artifacts), read.load(serviceNote, service)])
  const other = known.find(({ state }) => (serviceOf(state) ?? service) !== service)
  if (other)
    refuse('invalid', `${other.id} is an artifact of ${serviceOf(other.state)}, not of ${service}`, {
      path: `artifacts[${artifacts.indexOf(other.id)}]`,
    })
  const parts = known.flatMap(({ state }) => state.part ?? [])
  const gates = known.flatMap(({ state }) => verdictsOf(state))
  const persons = await mappingsOf(
    read,
    parts.flatMap(({ contributors }) => contributors.map((one) => one.actor)),
  )
  return {
    service,
    artifacts,
    notes,
    parts,
    gates,
    persons,
    ...(policy ? { policy: { policy_hash: policy.policy_hash, told: policy.told } } : {}),
  }
}

/** Every deployment of a service to an environment: the metrics look back as far as there is anything. */
async function history(read: Read, keys: Readonly<Record<string, string>>): Promise<readonly Found<Deployment>[]> {
  const all: Found<Deployment>[] = []
  for (let pageToken: string | undefined; pageToken !== ''; ) {
    const part = await read.list(deployment, { keys, order: 'occurred_at', pageSize: 500, ...(pageToken ? { pageToken } : {}) })
    all.push(...part.items)
    pageToken = part.nextPageToken
  }
  return all
}

async function contributorsOfCommits(read: Read, commits: readonly string[]) {
  const known = await read.loadAll(changeNote, commits)
  const contributors = known.flatMap(({ state }) => [...state.contributors])
  const missing = commits.filter((commit) => !known.some(({ id, state }) => id === commit && state.contributors.length > 0))
  const persons = Object.fromEntries(
    (
      await mappingsOf(
        read,
        contributors.map((one) => one.actor),
      )
    ).map(({ identity, person }) => [identity, person]),
  )
  return {
    contributors: contributorsAnswer(contributors, persons, []),
    obstacles: [...unknownAnswer(contributors, persons), ...missing.map((commit) => `the commit ${commit} is not known`)],
  }
}

const existing = <S>(found: readonly Found<S>[], what: string) => found[0] ?? refuse('not_found', `there is no ${what}`)

export const rpc = rpcs<Releases>()({
  Create: {
    roles: ['developer', 'operator'],
    request: z.strictObject({
      release_id: orNone(idText),
      service: text,
      artifacts: z.array(digestSchema).min(1, 'at least one').max(100),
      notes: z.string().max(10_000),
    }),
    ask: async ({ release_id, service, artifacts, notes }, _, read) =>
      ask(release, release_id || releaseId(artifacts), 'create', await creation(read, service, [...new Set(artifacts)].sort(), notes)),
    answer: async (_, release_id, version, read) => ({
      release_id,
      version: String(version),
      content_hash: (await read.load(release, release_id)).content_hash,
    }),
  },
  GetRelease: {
    roles: everybody,
    request: z.strictObject(id),
    query: async ({ release_id }, read) => ({ release: releaseAnswer(await foundRelease(read, release_id), now()) }),
  },
  ListReleases: {
    roles: everybody,
    request: z.strictObject({ service: optional, phase: z.enum(['', ...releasePhases]), artifact: orNone(digestSchema), ...page }),
    query: async ({ service, artifact, ...options }, read) => {
      const { items, nextPageToken } = await read.list(release, { keys: given({ service, artifact }), ...listing(options) })
      const at = now()
      return { releases: items.map((one) => releaseAnswer(one, at)), next_page_token: nextPageToken }
    },
  },
  RequestApproval: {
    roles: ['developer', 'operator', 'product_owner'],
    request: z.strictObject(id),
    ask: ({ release_id }) => ask(release, release_id, 'requestApproval'),
    answer: async (request, streamId, version, read) => ({
      ...answer(request, streamId, version),
      content_hash: (await read.load(release, streamId)).content_hash,
    }),
  },
  Approve: {
    roles: ['approver'],
    request: z.strictObject({ ...id, content_hash: text }),
    ask: ({ release_id, content_hash }) => ask(release, release_id, 'approve', { content_hash }),
    answer,
  },
  WaiveContributor: {
    roles: ['approver'],
    request: z.strictObject({ ...id, contributor: text, reason: text }),
    ask: ({ release_id, contributor, reason }) => ask(release, release_id, 'waiveContributor', { identity: contributor, reason }),
    answer,
  },
  Refuse: {
    roles: ['approver', 'product_owner'],
    request: z.strictObject({ ...id, reason: text }),
    ask: ({ release_id, reason }) => ask(release, release_id, 'refuse', { reason }),
    answer,
  },
  Withdraw: {
    roles: ['developer', 'operator', 'product_owner'],
    request: z.strictObject({ ...id, reason: optional }),
    ask: ({ release_id, reason }) => ask(release, release_id, 'withdraw', { reason }),
    answer,
  },
  Deploy: {
    roles: ['developer', 'operator'],
    request: z.strictObject({ ...id, environment: text }),
    ask: async (request, _, read) =>
      ask(release, request.release_id, 'deploy', environmentOf(await read.load(environment, request.environment), request.environment)),
    answer: async (request, streamId, version, read) => ({
      ...answer(request, streamId, version),
      permission_id: (await read.load(release, streamId)).permissions.at(-1)?.deployment ?? '',
    }),
  },
  ListDeployments: {
    roles: everybody,
    request: z.strictObject({
      service: optional,
      environment: optional,
      phase: z.enum(['', ...deploymentPhases]),
      artifact: orNone(digestSchema),
      ...page,
    }),
    query: async ({ service, environment, artifact, ...options }, read) => {
      const { items, nextPageToken } = await read.list(deployment, { keys: given({ service, environment, artifact }), ...listing(options) })
      return { deployments: items.map(deploymentAnswer), next_page_token: nextPageToken }
    },
  },
  GetDeployment: {
    roles: everybody,
    request: z.strictObject({ deployment_id: text }),
    query: async ({ deployment_id }, read) => ({
      deployment: deploymentAnswer(existing(await read.loadAll(deployment, [deployment_id]), `deployment ${deployment_id}`)),
    }),
  },
  WhatRuns: {
    roles: everybody,
    request: z.strictObject({ service: text, environment: optional }),
    query: async ({ service, environment: name }, read) => {
      const place = { service, environment: name || 'production' }
      const runs = runningOf(await history(read, place))
      if (!runs)
        return { ...place, deployment_id: '', artifact: '', revision: '', since: '', share: 0, releases: [], requirements: [], changes: [] }
      const { found, since, share } = runs
      const artifact = artifactOf(found.state) ?? ''
      const [holders, note] = artifact
        ? await Promise.all([read.find(release, 'artifact', [artifact]), read.load(artifactNote, artifact)])
        : [[], undefined]
      const { requirements = [], changes = [] } = note?.part ?? {}
      return {
        ...place,
        deployment_id: found.id,
        artifact,
        revision: revisionOf(found.state) ?? '',
        since,
        share,
        releases: holders.map((one) => one.id),
        requirements,
        changes,
      }
    },
  },
  PutEnvironment: {
    roles: ['operator'],
    request: z.strictObject({
      environment: text,
      production: z.boolean(),
      rank: z.number().int(),
      frozen_from: orNone(time),
      frozen_until: orNone(time),
      deployers: z.array(actor).max(100),
    }),
    ask: ({ environment: name, frozen_from, frozen_until, ...terms }) =>
      ask(environment, name, 'put', { ...terms, frozen_from: frozen_from || undefined, frozen_until: frozen_until || undefined }),
    answer: (_, name, version) => ({ environment: name, version: String(version) }),
  },
  ListEnvironments: {
    roles: everybody,
    request: z.strictObject({ page_size: page.page_size, page_token: page.page_token }),
    query: async ({ page_size, page_token }, read) => {
      const { items, nextPageToken } = await read.list(environment, {
        order: 'occurred_at',
        pageSize: page_size || 500,
        ...(page_token ? { pageToken: page_token } : {}),
      })
      const shown = items.map(({ id, state }) => {
        const { production, rank, frozen_from = '', frozen_until = '', deployers } = environmentOf(state, id)
        return { environment: id, production, rank, frozen_from, frozen_until, deployers: [...deployers] }
      })
      return {
        environments: shown.sort((a, b) => a.rank - b.rank || (a.environment < b.environment ? -1 : 1)),
        next_page_token: nextPageToken,
      }
    },
  },
  OfferHandover: {
    roles: ['developer', 'operator', 'product_owner'],
    request: z.strictObject({ ...id, to: text, from: optional, runbook: z.string().max(2000) }),
    ask: async ({ release_id, to, from, runbook }, _, read) => {
      const { state } = await foundRelease(read, release_id)
      const { mapping } = await read.load(serviceNote, state.service)
      const giver = from || mapping?.owner
      if (!giver) refuse('invalid', `the catalog names no owner of ${state.service}: say who hands over`, { path: 'from' })
      return ask(handover, release_id, 'offer', {
        service: state.service,
        from: giver,
        to,
        runbook: runbook || mapping?.runbook,
        requirements: contentsOf(state).requirements,
      })
    },
    answer,
  },
  AcceptHandover: {
    roles: ['operator'],
    request: z.strictObject(id),
    ask: ({ release_id }) => ask(handover, release_id, 'accept'),
    answer,
  },
  DeclineHandover: {
    roles: ['operator'],
    request: z.strictObject({ ...id, reason: text }),
    ask: ({ release_id, reason }) => ask(handover, release_id, 'decline', { reason }),
    answer,
  },
  GetHandover: {
    roles: everybody,
    request: z.strictObject(id),
    query: async ({ release_id }, read) =>
      handoverAnswer(release_id, existing(await read.loadAll(handover, [release_id]), `hand-over of ${release_id}`).state),
  },
  Contributors: {
    roles: everybody,
    request: z.strictObject({ service: optional, commits: z.array(sha).max(500), release_id: orNone(idText) }),
    query: async ({ commits, release_id }, read) => {
      if (commits.length > 0 === (release_id !== '')) refuse('invalid', 'name either commits or a release', { path: 'commits' })
      if (!release_id) return contributorsOfCommits(read, commits)
      const { contributors, approval_obstacles } = releaseAnswer(await foundRelease(read, release_id), now())
      return { contributors, obstacles: approval_obstacles }
    },
  },
  Metrics: {
    roles: everybody,
    request: z.strictObject({ service: text, environment: optional, from: time, to: time }),
    query: async ({ service, environment: name, from, to }, read) => {
      if (from >= to) refuse('invalid', 'to must lie after from', { path: 'to' })
      const place = { service, environment: name || 'production' }
      const [deployments, incidents] = await Promise.all([history(read, place), read.find(incidentNote, 'service', [service])])
      return metricsAnswer(historyOf(deployments, incidents, place.environment), { from, to })
    },
  },
})
