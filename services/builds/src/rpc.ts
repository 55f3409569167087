import { ask, refuse, toInstant } from '@rondo/kernel'
import type { Builds } from '@rondo/proto/builds'
import type { Found, Read } from '@rondo/reaction'
import { type Role, rpcs } from '@rondo/runtime'
import { z } from 'zod'
import {
  artifactMessage,
  buildMessage,
  changeMessage,
  contributorMessage,
  countsMessage,
  gateMessage,
  placementMessage,
  reportMessages,
  repositoryMessage,
  testRunMessage,
} from './answers.ts'
import { artifact } from './artifact.ts'
import { type Broken, brokenOf } from './broken.ts'
import { build, buildId } from './build.ts'
import { change, phaseOf as changePhase } from './change.ts'
import { contains } from './containment.ts'
import { identified } from './contributors.ts'
import { gate } from './decision.ts'
import { evidence, evidenceId } from './evidence.ts'
import { evidenceTargets, readGraph, readPersons } from './material.ts'
import { measured } from './measures.ts'
import { currentOf, placement, placementId } from './placement.ts'
import { hashOf, inForce, policy } from './policies.ts'
import { named, type Repository, repository } from './repository.ts'
import { digest, keysOf, longText, optional, ordered, orNone, page, pageOf, sha, text, time } from './requests.ts'
import { testRun, testRunId } from './test-run.ts'
import { commitGraph } from './views/commit-graph.ts'
import { lists } from './views/lists.ts'
import { paged } from './views/page-token.ts'

const everybody: readonly Role[] = ['reporter', 'developer', 'approver', 'operator', 'product_owner', 'auditor']

const now = () => toInstant(new Date())
const inOrder = <State>(ids: readonly string[], found: readonly Found<State>[]): readonly Found<State>[] =>
  ids.flatMap((id) => found.find((one) => one.id === id) ?? [])

/** By Rondo's id, or by any name that it has or had. */
async function repositoriesOf(read: Read, nameOrId: string): Promise<readonly Found<Repository>[]> {
  const found = [...(await read.loadAll(repository, [nameOrId])), ...(await read.find(repository, 'name', [nameOrId.toLowerCase()]))]
  return found.length > 0
    ? found
    : refuse('not_found', `there is no repository "${nameOrId}": ListRepositories names those that were seen`, { path: 'repository' })
}

async function changeMessages(read: Read, ids: readonly string[]) {
  const found = inOrder(ids, await read.loadAll(change, ids))
  const services = await read.view(commitGraph).services([...new Set(found.flatMap(({ state }) => state.repositories))])
  const { persons } = await readPersons(
    read,
    found.flatMap(({ state }) => state.contributors),
  )
  return found.map(({ id, state }) => changeMessage(id, state, { services, persons }))
}
async function buildMessages(read: Read, ids: readonly string[]) {
  const found = inOrder(ids, await read.loadAll(build, ids))
  const services = await read.view(commitGraph).services([...new Set(found.flatMap(({ state }) => state.repository_id?.value ?? []))])
  return found.map((one) => buildMessage(one, services))
}

/** The commit that is meant: itself, what an annotated tag's object points to, or a tag by its name. */
async function revisionOf(read: Read, revision: string, where: readonly Found<Repository>[]): Promise<string> {
  const tags = where.flatMap(({ state }) => state.refs[`tag ${revision}`]?.value.target ?? [])
  if (tags[0]) return tags[0]
  const wanted = revision.toLowerCase()
  if (!sha.safeParse(wanted).success) {
    refuse(
      'invalid',
      `revision: "${revision}" is neither a full commit id nor a tag${where.length > 0 ? ' of this repository' : '; for a tag name the repository too'}`,
      { path: 'revision' },
    )
  }
  const objects = (await read.find(repository, 'tag_object', [wanted])).flatMap(({ state }) =>
    Object.values(state.refs).filter(({ value }) => value.object === wanted),
  )
  return objects[0]?.value.target ?? wanted
}

async function evidenceAnswer(read: Read, targets: readonly string[]) {
  const found = await read.loadAll(evidence, targets)
  const reports = await Promise.all(found.map(async (one) => reportMessages(one, await read.view(lists).cases(one.id))))
  const runs = await read.loadAll(
    testRun,
    found.flatMap(({ state }) => Object.keys(state.runs)),
  )
  return {
    reports: reports.flat(),
    test_runs: runs.map(({ state }) => testRunMessage(state)),
    counts: countsMessage(measured(found.map(({ state }) => state)).counts),
    next_page_token: '',
  }
}

async function brokenMessage(read: Read, { id, state }: Found<Repository>, branch: string, { name, first, latest, since }: Broken) {
  const commit = first.state.revision?.value ?? ''
  const { contributors } = commit ? await read.load(change, commit) : { contributors: [] }
  const { persons } = await readPersons(read, contributors)
  return {
    repository_id: id,
    service: state.mapping?.service ?? '',
    branch,
    name,
    broken_by_build_id: first.state.build ?? '',
    broken_by_commit: commit,
    contributors: identified(contributors, persons).map(contributorMessage),
    since,
    latest_build_id: latest.state.build ?? '',
  }
}
async function brokenIn(read: Read, one: Found<Repository>) {
  const branch = named(one.state).default_branch
  if (!branch) return []
  const { items } = await read.list(build, { keys: { branch: `${one.id}#${branch}` }, order: 'occurred_at desc', pageSize: 200 })
  return Promise.all(brokenOf(items).map((broken) => brokenMessage(read, one, branch, broken)))
}

const revisionText = z.string().trim().min(1, 'must not be empty').max(500)

export const rpc = rpcs<Builds>()({
  ListChanges: {
    roles: everybody,
    request: z.strictObject({ service: optional, repository: optional, requirement_id: optional, ...ordered }),
    query: async (request, read) => {
      const repositories = request.repository ? (await repositoriesOf(read, request.repository)).map(({ id }) => id) : undefined
      const { ids, next_page_token } = await paged(request, (after, descending, limit) =>
        read
          .view(commitGraph)
          .changes({ service: request.service, repositories, requirement: request.requirement_id, after, descending, limit }),
      )
      return { changes: await changeMessages(read, ids), next_page_token }
    },
  },
  GetChange: {
    roles: everybody,
    request: z.strictObject({ commit: sha }),
    query: async ({ commit }, read) => {
      if (changePhase(await read.load(change, commit)) === 'unseen')
        refuse('not_found', `commit ${commit} was never told`, { path: 'commit' })
      const [message] = await changeMessages(read, [commit])
      return { change: message ?? null }
    },
  },
  ListBuilds: {
    roles: everybody,
    request: z.strictObject({ source: optional, service: optional, phase: z.enum(['', 'queued', 'started', 'finished']), ...ordered }),
    query: async ({ source, service, phase, ...request }, read) => {
      const { ids, next_page_token } = await paged(request, (after, descending, limit) =>
        read.view(lists).builds({ source, service, phase, after, descending, limit }),
      )
      return { builds: await buildMessages(read, ids), next_page_token }
    },
  },
  GetBuild: {
    roles: everybody,
    request: z.strictObject({ source: text, build_id: text }),
    query: async ({ source, build_id }, read) => {
      const [message] = await buildMessages(read, [buildId(source, build_id)])
      return { build: message ?? refuse('not_found', `${source} told of no build "${build_id}"`, { path: 'build_id' }) }
    },
  },
  GetTestRun: {
    roles: everybody,
    request: z.strictObject({ source: text, run_id: text }),
    query: async ({ source, run_id }, read) => {
      const [found] = await read.loadAll(testRun, [testRunId(source, run_id)])
      return {
        test_run: testRunMessage(found?.state ?? refuse('not_found', `${source} told of no test run "${run_id}"`, { path: 'run_id' })),
      }
    },
  },
  ListArtifacts: {
    roles: everybody,
    request: z.strictObject({
      service: optional,
      revision: orNone(sha),
      phase: z.enum(['', 'packaged', 'signed', 'published', 'deleted', 'seen']),
      ...ordered,
    }),
    query: async ({ service, revision, phase, ...request }, read) => {
      const { items, nextPageToken } = await read.list(artifact, {
        ...(phase ? { phase } : {}),
        keys: keysOf({ service, revision }),
        ...pageOf(request),
      })
      return { artifacts: items.map(artifactMessage), next_page_token: nextPageToken }
    },
  },
  GetArtifact: {
    roles: everybody,
    request: z.strictObject({ digest }),
    query: async ({ digest: id }, read) => {
      const [found] = await read.loadAll(artifact, [id])
      return { artifact: artifactMessage(found ?? refuse('not_found', `no artifact ${id} was told`, { path: 'digest' })) }
    },
  },
  ListEvidence: {
    roles: everybody,
    request: z.strictObject({ artifact: orNone(digest), build_id: optional, source: optional, ...page }),
    query: async ({ artifact: of, build_id, source, ...request }, read) => {
      if ([of, build_id, source].filter(Boolean).length !== 1)
        refuse('invalid', 'name exactly one of artifact, build_id and source', { path: 'artifact' })
      if (of) return evidenceAnswer(read, await evidenceTargets(read, of, await read.load(artifact, of)))
      if (build_id) return evidenceAnswer(read, [evidenceId({ build: build_id })])
      const { items, nextPageToken } = await read.list(testRun, { keys: { source }, ...pageOf(request) })
      return {
        reports: [],
        test_runs: items.map(({ state }) => testRunMessage(state)),
        counts: countsMessage(),
        next_page_token: nextPageToken,
      }
    },
  },
  PutPolicy: {
    roles: ['developer', 'operator'],
    request: z.strictObject({ service: text, policy: z.string().max(65_536, 'at most 65536 characters') }),
    ask: ({ service, policy: yaml }) => ask(policy, service, 'put', { yaml }),
    answer: ({ service, policy: yaml }, _, version) => ({ service, version: String(version), policy_hash: hashOf(yaml) }),
  },
  GetPolicy: {
    roles: everybody,
    request: z.strictObject({ service: text }),
    query: async ({ service }, read) => {
      const state = await read.load(policy, service)
      const { yaml, hash, version } = inForce(state)
      return { service, policy: yaml, version, policy_hash: hash, by: state.by ?? '', put_at: state.at ?? '' }
    },
  },
  GetGate: {
    roles: everybody,
    request: z.strictObject({ artifact: digest }),
    query: async ({ artifact: id }, read) => {
      const [of] = await read.loadAll(artifact, [id])
      const state = await read.load(gate, id)
      if (!of) refuse('not_found', `no artifact ${id} was told`, { path: 'artifact' })
      if (!state.latest)
        refuse('not_found', `there is no verdict yet: ${of.state.mapping?.reason ?? 'its service is not known yet'}`, { path: 'artifact' })
      return gateMessage(id, state, of.state.contents?.value.contributors.map(({ actor }) => actor) ?? [], now())
    },
  },
  Waive: {
    roles: ['approver', 'product_owner', 'operator', 'developer'],
    request: z.strictObject({ artifact: digest, criterion: text, reason: longText, until: time }),
    ask: async ({ artifact: id, criterion, reason, until }, _, read) => {
      const contributors = (await read.load(artifact, id)).contents?.value.contributors
      return ask(gate, id, 'waive', { criterion, reason, until, contributors })
    },
    answer: ({ artifact: id, criterion, until }) => ({ artifact: id, criterion, until }),
  },
  Contains: {
    roles: everybody,
    request: z.strictObject({ repository: optional, revision: revisionText, commit: sha }),
    query: async ({ repository: where, revision: asked, commit }, read) => {
      const revision = await revisionOf(read, asked, where ? await repositoriesOf(read, where) : [])
      const graph = await readGraph(read, [revision], [commit])
      const { answer, restsOn, reason, missing } = contains(graph.ask, revision, commit)
      return { answer, rests_on: restsOn ?? '', reason, missing: [...missing], revision }
    },
  },
  GetPlacement: {
    roles: everybody,
    request: z.strictObject({ service: text, environment: text }),
    query: async ({ service, environment }, read) => {
      const state = await read.load(placement, placementId(service, environment))
      const current =
        currentOf(state) ??
        refuse('not_found', `nothing is known to have been deployed for ${service} in ${environment}`, { path: 'environment' })
      const earlier = Object.values(state.told).filter(({ data }) => data.since < current.data.since)
      return {
        placement: placementMessage(current.data),
        earlier: earlier.map(({ data }) => placementMessage(data)).sort((a, b) => (a.since < b.since ? 1 : -1)),
      }
    },
  },
  ListPlacements: {
    roles: everybody,
    request: z.strictObject({ service: optional, ...ordered }),
    query: async ({ service, ...request }, read) => {
      const { items, nextPageToken } = await read.list(placement, { keys: keysOf({ service }), ...pageOf(request) })
      return {
        placements: items.flatMap(({ state }) => currentOf(state)?.data ?? []).map(placementMessage),
        next_page_token: nextPageToken,
      }
    },
  },
  ListRepositories: {
    roles: everybody,
    request: z.strictObject({ service: optional, phase: z.enum(['', 'mapped', 'unmapped']), ...ordered }),
    query: async ({ service, phase, ...request }, read) => {
      const { items, nextPageToken } = await read.list(repository, {
        ...(phase ? { phase } : {}),
        keys: keysOf({ service }),
        ...pageOf(request),
      })
      return { repositories: items.map(repositoryMessage), next_page_token: nextPageToken }
    },
  },
  MapRepository: {
    roles: ['operator'],
    request: z.strictObject({ repository_id: text, service: text }),
    ask: ({ repository_id, service }) => ask(repository, repository_id, 'assign', { service }),
    answer: ({ repository_id, service }) => ({ repository_id, service }),
  },
  ListBrokenBranches: {
    roles: everybody,
    request: z.strictObject({ service: optional }),
    query: async ({ service }, read) => {
      const found = service ? await read.find(repository, 'service', [service]) : (await read.list(repository, { pageSize: 200 })).items
      return { branches: (await Promise.all(found.map((one) => brokenIn(read, one)))).flat() }
    },
  },
})
