import { requirement as facts } from '@rondo/contracts/requirements'
import { ask, refuse, stream } from '@rondo/kernel'
import type { Requirements } from '@rondo/proto/requirements'
import type { AskRow, Service } from '@rondo/runtime'
import { z } from 'zod'

/** The facts of requirements, told by whoever asks for them: what the other service does with them is the test's. */
const requirement = stream(
  'requirement',
  facts,
  {},
)({
  fold: 1,
  asks: {
    raise: (_, { title, service }: { title: string; service: string }) => [
      facts.raised({ title, service, origin: { kind: 'person', id: 'person:ada' } }),
    ],
    decline: (_, { reason }: { reason: string }) => [facts.declined({ reason, by: 'person:ada' })],
    verify: () => [
      facts.entered({ environment: 'production', artifact: `sha256:${'1'.repeat(64)}`, production: true }),
      facts.verified({ proof: 'p-1', reason: 'silent under traffic' }),
    ],
  },
  tells: {},
  // biome-ignore lint/suspicious/noExplicitAny: no fact changes what this stands for
  evolve: Object.fromEntries(Object.keys(facts).map((verb) => [verb, (state: object) => state])) as any,
  keys: {},
  loops: (_, id) => [id],
})

const text = z.string().min(1)
const answer = ({ requirement_id }: { requirement_id: string }, _: string, version: number) => ({
  requirement_id,
  version: String(version),
})
const rows: {
  readonly Raise: AskRow<Requirements['Raise']>
  readonly Decline: AskRow<Requirements['Decline']>
  readonly Verify: AskRow<Requirements['Verify']>
} = {
  Raise: {
    roles: [],
    request: z.strictObject({ requirement_id: text, title: text, service: text, origin_kind: z.string(), origin_id: z.string() }),
    ask: ({ requirement_id, title, service }) => ask(requirement, requirement_id, 'raise', { title, service }),
    answer,
  },
  Decline: {
    roles: [],
    request: z.strictObject({ requirement_id: text, reason: text }),
    ask: ({ requirement_id, reason }) => ask(requirement, requirement_id, 'decline', { reason }),
    answer,
  },
  Verify: {
    roles: [],
    request: z.strictObject({ requirement_id: text, reason: z.string() }),
    ask: ({ requirement_id }) => ask(requirement, requirement_id, 'verify'),
    answer,
  },
}
const others = ['Refine', 'MakeReady', 'Merge', 'Unmerge', 'Split', 'Pin', 'Reopen', 'GetRequirement', 'ListRequirements']
const refused = { roles: [], request: z.looseObject({}), query: async () => refuse('unsupported', 'the test does not ask for it') }

export const requirementsStandIn: Service = {
  name: 'requirements',
  streams: [requirement],
  reactions: [],
  rpc: { 'rondo.requirements.v1.Requirements': { ...rows, ...Object.fromEntries(others.map((name) => [name, refused])) } },
}
