import { requirement as facts } from '@rondo/contracts/requirements'
import { ask, type Fact, type FactType, stream } from '@rondo/kernel'
import { loadProtos } from '@rondo/proto'
import type { AskRow, Service } from '@rondo/runtime'
import protobuf from 'protobufjs'
import { z } from 'zod'

interface Told {
  readonly verb: string
  readonly data: unknown
}
const byVerb: Readonly<Record<string, FactType>> = facts as typeof facts & Readonly<Record<string, FactType>>

/** The facts of requirements, told by whoever wants them told: what the other service does with them is the test's. */
const requirement = stream(
  'requirement',
  byVerb,
  {},
)({
  fold: 1,
  asks: { tell: (_, { verb, data }: Told): readonly Fact[] => [byVerb[verb]?.(data) as Fact] },
  tells: {},
  evolve: Object.fromEntries(Object.keys(facts).map((verb) => [verb, (state: object) => state])),
  keys: {},
  loops: (_, id) => [id],
})

/** Rondo's protos and that of the stand-in. */
export function standInProtos(): protobuf.Root {
  const root = loadProtos()
  const text = `
    syntax = "proto3";
    package rondo.standin.v1;
    service StandIn { rpc Tell(TellRequest) returns (TellResponse); }
    message TellRequest { string requirement_id = 1; string verb = 2; string data_json = 3; }
    message TellResponse { string requirement_id = 1; }`
  protobuf.parse(text, root, { keepCase: true })
  root.resolveAll()
  return root
}

interface TellMethod {
  readonly request: { requirement_id: string; verb: string; data_json: string }
  readonly response: { requirement_id: string }
}
const Tell: AskRow<TellMethod> = {
  roles: [],
  request: z.strictObject({ requirement_id: z.string().min(1), verb: z.string(), data_json: z.string() }),
  ask: ({ requirement_id, verb, data_json }) => ask(requirement, requirement_id, 'tell', { verb, data: JSON.parse(data_json) }),
  answer: ({ requirement_id }) => ({ requirement_id }),
}

export const requirementsStandIn: Service = {
  name: 'requirements',
  streams: [requirement],
  reactions: [],
  rpc: { 'rondo.standin.v1.StandIn': { Tell } },
}
