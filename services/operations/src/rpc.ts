import { ask, refuse, toInstant } from '@rondo/kernel'
import type { Operations } from '@rondo/proto/operations'
import type { Found, Read } from '@rondo/reaction'
import { type Role, rpcs } from '@rondo/runtime'
import { z } from 'zod'
import {
  entryMessage,
  incidentMessage,
  ownerMessage,
  proofMessage,
  runningMessages,
  signalMessage,
  sourceMessage,
  unmappedMessage,
} from './answers.ts'
import { evidenceOf } from './evidence.ts'
import { type Incident, incident } from './incident.ts'
import { alertSignalId, hashOf, runningId } from './names.ts'
import { materialOf, usualTerms } from './openings.ts'
import { type Proof, proof } from './proof.ts'
import { digest, id, keysOf, longText, optional, orNone, page, pageOf, text, time } from './requests.ts'
import { running } from './running.ts'
import { mustBeCatalogued, ownerAt, service } from './service-entry.ts'
import { requirementOf, type Signal, signal } from './signal.ts'
import { source } from './source.ts'
import { unmapped } from './unmapped.ts'

const everybody: readonly Role[] = ['reporter', 'developer', 'approver', 'operator', 'product_owner', 'auditor']
const operators: readonly Role[] = ['operator']

const now = () => toInstant(new Date())
const incidentId = id('INC-1')

const terms = z.strictObject({
  kind: z.enum(['', 'defect', 'rate']),
  target_ratio: z.number().min(0).max(1, 'above 0 and at most 1'),
  deadline_days: z.number().min(0).max(3650),
})
const termsOf = (given: z.infer<typeof terms> | null | undefined) => ({
  kind: given?.kind || usualTerms.kind,
  target_ratio: given?.target_ratio || usualTerms.target_ratio,
  deadline_days: given?.deadline_days || usualTerms.deadline_days,
})

async function entryOf(read: Read, name: string) {
  const known = await read.load(service, name)
  return { known, entry: mustBeCatalogued(name, known) }
}

async function incidentAnswer(read: Read, found: Found<Incident>) {
  const known = await read.load(service, found.state.declared?.service ?? '')
  return incidentMessage(found, ownerAt(known, now())?.owner ?? '')
}

async function proofAnswer(read: Read, found: Found<Proof>) {
  return proofMessage(found, await materialOf(read, found.state, now()))
}

const answered = ({ incident_id }: { incident_id: string }, _: string, version: number) => ({ incident_id, version: String(version) })

/** By id or by the sender's fingerprint. */
async function signalsOf(read: Read, names: readonly string[]): Promise<readonly Found<Signal>[]> {
  const found = await read.loadAll(
    signal,
    names.flatMap((name) => [name, alertSignalId(name)]),
  )
  return names.map(
    (name, index) =>
      found.find((one) => one.id === name || one.id === alertSignalId(name)) ??
      refuse('not_found', `there is no signal "${name}"`, { path: `signal_ids[${index}]` }),
  )
}

const serviceId = id('shop')
const pages = z.strictObject(page)
const phases = <const T extends readonly string[]>(...names: T) => z.enum(['', ...names])

export const rpc = rpcs<Operations>()({
  PutService: {
    roles: operators,
    request: z.strictObject({
      service: serviceId,
      owner: text,
      tier: optional.optional(),
      runbook: optional.optional(),
      objective: optional.optional(),
      repositories: z.array(text).max(200),
      artifacts: z.array(text).max(200),
      alert_labels: z.record(text, text),
      environment_label: optional.optional(),
      default_environment: optional.optional(),
      problem_labels: z.array(text).max(20),
      proof: terms.optional(),
    }),
    ask: ({ tier, runbook, objective, environment_label, default_environment, proof, ...entry }) =>
      ask(service, entry.service, 'put', {
        ...entry,
        ...keysOf({ tier: tier ?? '', runbook: runbook ?? '', objective: objective ?? '' }),
        environment_label: environment_label || 'environment',
        default_environment: default_environment || 'production',
        proof: termsOf(proof),
      }),
    answer: (_, service, version) => ({ service, version: String(version) }),
  },
  GetService: {
    roles: everybody,
    request: z.strictObject({ service: serviceId }),
    query: async ({ service: name }, read) => {
      const { known, entry } = await entryOf(read, name)
      return { entry: entryMessage(name, entry, known, now()) }
    },
  },
  ListServices: {
    roles: everybody,
    request: pages,
    query: async (request, read) => {
      const { items, nextPageToken } = await read.list(service, { phase: 'catalogued', ...pageOf(request) })
      const services = items.flatMap(({ id, state }) => (state.entry ? [entryMessage(id, state.entry, state, now())] : []))
      return { services, next_page_token: nextPageToken }
    },
  },
  WhoIsResponsible: {
    roles: everybody,
    request: z.strictObject({ service: serviceId, at: time.optional() }),
    query: async ({ service: name, at = now() }, read) => {
      const { known, entry } = await entryOf(read, name)
      const owner = ownerAt(known, at) ?? refuse('not_found', `nobody was named for "${name}" until after ${at}`, { path: 'at' })
      return { service: name, at, owner: ownerMessage(owner), runbook: entry.runbook ?? '' }
    },
  },

  ListUnmapped: {
    roles: everybody,
    request: z.strictObject({
      kind: phases('alert', 'repository', 'artifact', 'deployment'),
      phase: phases('unmapped', 'mapped'),
      ...page,
    }),
    query: async ({ kind, phase, ...request }, read) => {
      const options = { phase: phase || 'unmapped', keys: keysOf({ kind }), ...pageOf(request) }
      const { items, nextPageToken } = await read.list(unmapped, options)
      return { unmapped: items.map(unmappedMessage), next_page_token: nextPageToken }
    },
  },
  MapUnmapped: {
    roles: operators,
    request: z.strictObject({ unmapped_id: text, service: serviceId }),
    ask: async ({ unmapped_id, service: name }, _, read) => {
      await entryOf(read, name)
      return ask(unmapped, unmapped_id, 'map', { service: name })
    },
    answer: (_, unmapped_id, version) => ({ unmapped_id, version: String(version) }),
  },
  ListSources: {
    roles: everybody,
    request: pages,
    query: async (request, read) => {
      const { items, nextPageToken } = await read.list(source, { phase: 'heard', ...pageOf(request) })
      return { sources: items.map(sourceMessage), next_page_token: nextPageToken }
    },
  },

  ListSignals: {
    roles: everybody,
    request: z.strictObject({
      service: optional,
      environment: optional,
      problem: optional,
      requirement_id: optional,
      phase: phases('open', 'uncertain', 'cleared', 'unseen'),
      ...page,
    }),
    query: async ({ service, environment, problem, requirement_id: requirement, phase, ...request }, read) => {
      const options = { keys: keysOf({ service, environment, problem, requirement }), ...pageOf(request), ...(phase ? { phase } : {}) }
      const { items, nextPageToken } = await read.list(signal, options)
      return { signals: items.map(signalMessage), next_page_token: nextPageToken }
    },
  },
  GetSignal: {
    roles: everybody,
    request: z.strictObject({ signal_id: text }),
    query: async ({ signal_id }, read) => {
      const [found] = await read.loadAll(signal, [signal_id])
      return { signal: signalMessage(found ?? refuse('not_found', `there is no signal "${signal_id}"`, { path: 'signal_id' })) }
    },
  },

  DeclareIncident: {
    roles: operators,
    request: z.strictObject({
      incident_id: orNone(incidentId),
      service: serviceId,
      severity: z.enum(['critical', 'high', 'medium', 'low']),
      title: text,
      began_at: orNone(time),
      environment: optional.optional(),
      signal_ids: z.array(text).max(100),
    }),
    ask: async ({ incident_id, signal_ids, environment, began_at: began, ...incidentOf }, _, read) => {
      // Declared without a time, it begins now; declared again so, it began when it did
      const before = incident_id ? (await read.load(incident, incident_id)).declared : undefined
      const began_at = began || before?.began_at || now()
      const { known, entry } = await entryOf(read, incidentOf.service)
      const signals = await signalsOf(read, signal_ids)
      const [about] = signals.flatMap(({ state }) => state.about ?? [])
      const stated = {
        ...incidentOf,
        began_at,
        environment: environment || about?.environment || entry.default_environment,
        owner: (ownerAt(known, began_at) ?? ownerAt(known, now()))?.owner ?? entry.owner,
        signals: signals.map(({ id }) => id),
        requirements: signals.flatMap(({ state }) => requirementOf(state) ?? []),
        ...(entry.runbook ? { runbook: entry.runbook } : {}),
        ...(about ? { problem: about.problem } : {}),
      }
      // the same declaration again is the same incident
      const derived = `INC-${hashOf(stated.service, stated.title, stated.began_at).slice(0, 8).toUpperCase()}`
      return ask(incident, incident_id || derived, 'declare', stated)
    },
    answer: (_, incident_id, version) => ({ incident_id, version: String(version) }),
  },
  AcknowledgeIncident: {
    roles: operators,
    request: z.strictObject({ incident_id: incidentId }),
    ask: ({ incident_id }) => ask(incident, incident_id, 'acknowledge'),
    answer: answered,
  },
  MitigateIncident: {
    roles: operators,
    request: z.strictObject({ incident_id: incidentId, note: longText }),
    ask: ({ incident_id, note }) => ask(incident, incident_id, 'mitigate', { note }),
    answer: answered,
  },
  ResolveIncident: {
    roles: operators,
    request: z.strictObject({ incident_id: incidentId, resolved_at: time.optional() }),
    ask: ({ incident_id, resolved_at }) => ask(incident, incident_id, 'resolve', { resolved_at }),
    answer: answered,
  },
  AttributeIncident: {
    roles: operators,
    request: z.strictObject({
      incident_id: incidentId,
      cause: z.enum(['deployment', 'not_a_deployment', 'undecided']),
      artifact: digest.optional(),
      deployment_id: optional.optional(),
      reason: text,
    }),
    ask: async ({ incident_id, cause, artifact, deployment_id, reason }, _, read) => {
      const { declared } = await read.load(incident, incident_id)
      const there = declared ? await read.load(running, runningId(declared)) : undefined
      // the deployment that brought the artifact there before it began, where the caller names only one of the two
      const step = there?.placements.findLast(
        (one) => one.since <= (declared?.began_at ?? '') && (deployment_id ? one.deployment === deployment_id : one.artifact === artifact),
      )
      const named = { artifact: artifact ?? step?.artifact, deployment: deployment_id || step?.deployment }
      return ask(incident, incident_id, 'attribute', { cause, reason, ...(cause === 'deployment' ? named : {}) })
    },
    answer: answered,
  },
  ReviewIncident: {
    roles: operators,
    request: z.strictObject({
      incident_id: incidentId,
      summary: longText,
      follow_ups: z.array(z.strictObject({ follow_up_id: orNone(id('F1')), title: text })).max(50),
    }),
    ask: ({ incident_id, summary, follow_ups }) =>
      ask(incident, incident_id, 'review', {
        summary,
        follow_ups: follow_ups.map(({ follow_up_id, title }, index) => ({ id: follow_up_id || `F${index + 1}`, title })),
      }),
    answer: answered,
  },
  GetIncident: {
    roles: everybody,
    request: z.strictObject({ incident_id: incidentId }),
    query: async ({ incident_id }, read) => {
      const [found] = await read.loadAll(incident, [incident_id])
      return {
        incident: await incidentAnswer(
          read,
          found ?? refuse('not_found', `there is no incident "${incident_id}"`, { path: 'incident_id' }),
        ),
      }
    },
  },
  ListIncidents: {
    roles: everybody,
    request: z.strictObject({ service: optional, phase: phases('declared', 'acknowledged', 'mitigated', 'resolved', 'reviewed'), ...page }),
    query: async ({ service, phase, ...request }, read) => {
      const options = { keys: keysOf({ service }), ...pageOf(request), ...(phase ? { phase } : {}) }
      const { items, nextPageToken } = await read.list(incident, options)
      return { incidents: await Promise.all(items.map((item) => incidentAnswer(read, item))), next_page_token: nextPageToken }
    },
  },

  GetProof: {
    roles: everybody,
    request: z.strictObject({ proof_id: text }),
    query: async ({ proof_id }, read) => ({ proof: await proofAnswer(read, await proofOf(read, proof_id)) }),
  },
  ListProofs: {
    roles: everybody,
    request: z.strictObject({
      requirement_id: optional,
      service: optional,
      phase: phases('open', 'suspended', 'verified', 'regressed', 'inconclusive', 'error', 'recurred'),
      ...page,
    }),
    query: async ({ requirement_id: requirement, service, phase, ...request }, read) => {
      const options = { keys: keysOf({ requirement, service }), ...pageOf(request), ...(phase ? { phase } : {}) }
      const { items, nextPageToken } = await read.list(proof, options)
      return { proofs: await Promise.all(items.map((item) => proofAnswer(read, item))), next_page_token: nextPageToken }
    },
  },
  ExtendProof: {
    roles: ['operator', 'product_owner'],
    request: z.strictObject({ proof_id: text, deadline_at: time, reason: text }),
    ask: ({ proof_id, ...extension }) => ask(proof, proof_id, 'extend', extension),
    answer: ({ proof_id }, _, version) => ({ proof_id, version: String(version) }),
  },
  AttributeEvent: {
    roles: ['operator', 'product_owner'],
    request: z.strictObject({ proof_id: text, event_id: text, reason: text }),
    ask: async ({ proof_id, event_id, reason }, _, read) => {
      const { state } = await proofOf(read, proof_id)
      await mustBeCounted(read, state, event_id)
      return ask(proof, proof_id, 'attribute', { event: event_id, reason })
    },
    answer: ({ proof_id }, _, version) => ({ proof_id, version: String(version) }),
  },

  WhatRuns: {
    roles: everybody,
    request: z.strictObject({ service: serviceId, environment: optional }),
    query: async ({ service: name, environment }, read) => {
      const places = await read.find(running, 'service', [name])
      const here = places.filter(({ state }) => !environment || state.environment === environment)
      return { running: here.flatMap(({ state }) => runningMessages(state, now())) }
    },
  },
})

async function proofOf(read: Read, proofId: string): Promise<Found<Proof>> {
  const [found] = await read.loadAll(proof, [proofId])
  return found ?? refuse('not_found', `there is no proof "${proofId}"`, { path: 'proof_id' })
}

/** Only what counts against a fix can be laid at another door. */
async function mustBeCounted(read: Read, state: Proof, event: string): Promise<void> {
  const material = await materialOf(read, state, now())
  const known = [
    ...(material ? evidenceOf({ ...material, attributed: new Set() }).events.map((one) => one.event) : []),
    ...(material?.events.map(({ report }) => report) ?? []),
    ...(state.judged?.after.event_ids ?? []),
  ]
  if (!known.includes(event)) refuse('not_found', `"${event}" is none of the events that this proof counts`, { path: 'event_id' })
}
