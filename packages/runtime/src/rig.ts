import { randomUUID } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { intakeTopic, toIntakeRecord } from '@rondo/contracts/cloudevents'
import { type Fact, type FactTable, parseInstant, refuse, stream, tell } from '@rondo/kernel'
import { loadProtos } from '@rondo/proto'
import { temporaryFolder } from '@rondo/testkit/temporary-folder'
import { type Channels, createChannels } from './channels.ts'
import { type Config, readConfig } from './config.ts'
import type { Host } from './host.ts'
import { createLog } from './log.ts'
import { type Running, run } from './run.ts'
import { type Role, roles, type Service } from './service.ts'
import { hashToken } from './tokens.ts'

// For tests: like `given` of the kernel it stands beside what it tests with, so that no package depends on one that depends on it.

/** Whom a token speaks for. */
export interface Owner {
  readonly actor: string
  readonly roles: readonly Role[]
}
/** By the token, which is the key itself: a name that the test reads well. */
export type Owners<Token extends string> = Readonly<Record<Token, Owner>>

/** Each role is a person with that role alone; `ci` is a machine that may what a product owner may. */
const usual: Owners<string> = {
  ...Object.fromEntries(roles.map((role) => [role, { actor: `person:${role}`, roles: [role] }])),
  ci: { actor: 'service:ci', roles: ['product_owner'] },
}
export const as = <Token extends string = Role | 'ci'>(token: Token) => ({ authorization: `Bearer ${token}` })

export interface ServicesOptions {
  readonly env: Readonly<Record<string, string>>
  /** Default: each role by its name, and `ci`. */
  readonly owners?: Owners<string>
  /** Default: Rondo's. */
  readonly protos?: ReturnType<typeof loadProtos>
  /** Gets each line of the log as it is written. */
  readonly heard?: (line: string) => void
  /** What no variable says. */
  readonly changed?: Partial<Config>
}
export interface ServicesRun extends Running {
  readonly channels: Channels
  /** A line each. */
  readonly log: readonly string[]
}

/** Services as one process would run them, on free ports. */
export async function runServices(
  services: readonly Service[],
  { env, owners = usual, protos = loadProtos(), heard, changed = {} }: ServicesOptions,
): Promise<ServicesRun> {
  const folder = temporaryFolder('run')
  const file = join(folder, 'tokens.json')
  await writeFile(file, JSON.stringify(Object.entries(owners).map(([token, owner]) => ({ sha256: hashToken(token), ...owner }))))
  const lines: string[] = []
  const write = (line: string) => {
    lines.push(line)
    heard?.(line)
  }
  const log = createLog('info', { write })
  const config = readConfig({
    RONDO_HTTP_PORT: '0',
    RONDO_GRPC_PORT: '0',
    RONDO_TOKENS_FILE: file,
    RONDO_DATA_DIR: folder,
    RONDO_SHUTDOWN_TIMEOUT_MS: '5000',
    ...env,
  })
  const started = await run(services, { ...config, ...changed }, { log, signals: false, protos })
  const channels = createChannels(protos, () => started.addresses.grpc)
  return {
    ...started,
    channels,
    log: lines,
    async stop() {
      channels.close()
      await started.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

const instantOf = (time: string) => parseInstant(time) ?? refuse('invalid', `"${time}" is no time`)

/** What another service would say, from a ledger of its own: its rules are not needed here, its facts are. */
export interface Speaker {
  readonly service: Service
  host(): Host
  /** `time`: RFC 3339. */
  say(noun: string, id: string, time: string, fact: Fact): Promise<void>
}
export function speaker(name: string, tables: Readonly<Record<string, FactTable>>): Speaker {
  const hosts: Host[] = []
  const streams = Object.entries(tables).map(([noun, facts]) =>
    stream(
      noun,
      facts,
      {},
    )({
      fold: 1,
      asks: {},
      tells: { said: (_, fact: Fact) => [fact] },
      evolve: Object.fromEntries(Object.keys(facts).map((verb) => [verb, (state: object) => state])),
      keys: {},
      loops: (_, id) => (noun === 'requirement' ? [id] : []),
    }),
  )
  const host = () => hosts[0] ?? refuse('internal', `${name} did not start`)
  return {
    service: { name, streams, reactions: [], rpc: {}, http: (_, own) => void hosts.push(own) },
    host,
    async say(noun, id, time, fact) {
      const spoken = streams.find((one) => one.name === noun) ?? refuse('internal', `${name} has no ${noun}`)
      const unit = randomUUID()
      const cause = { at: instantOf(time), actor: `service:${name}`, correlationId: unit, causationId: unit }
      await host().ledger.submit({ id: unit, hash: unit, remember: true, cause, messages: [tell(spoken, id, 'said', fact)] })
    },
  }
}

type Tables = Readonly<Record<string, Readonly<Record<string, FactTable>>>>
export interface BesideOptions<Token extends string, Others extends Tables> {
  readonly databaseUrl: string
  readonly owners: Owners<Token>
  /** By service: the streams that it speaks of, with their facts. */
  readonly others: Others
}

/** One service on real engines, with speakers beside it for the services that it listens to. */
export async function runBeside<Token extends string, Others extends Tables>(
  service: Service,
  { databaseUrl, owners, others }: BesideOptions<Token, Others>,
) {
  const speakers = Object.fromEntries(Object.entries(others).map(([name, tables]) => [name, speaker(name, tables)])) as {
    readonly [Name in keyof Others]: Speaker
  }
  const all: readonly Speaker[] = Object.values(speakers)
  const { channels, log, stop } = await runServices([service, ...all.map((one) => one.service)], {
    env: { RONDO_DATABASE_URL: databaseUrl },
    owners,
  })
  const [rpc = ''] = Object.keys(service.rpc)
  return {
    ...speakers,
    log,
    // biome-ignore lint/suspicious/noExplicitAny: an answer is looked at by what the test expects of it
    call: (token: Token, method: string, request: object): Promise<any> =>
      channels.call(service.name, `${rpc}/${method}`, { ...request }, as<Token>(token)),
    /** As the gateway puts it on the intake topic. `time`: RFC 3339. */
    async intake(id: string, time: string, { type, data }: Fact) {
      const ids = { id, key: id, correlationId: id, causationId: id, loopIds: [] }
      const what = { type: type.replace(/\.v\d+$/, ''), schemaVersion: 1, data, occurredAt: instantOf(time), actor: 'service:outside' }
      const { bus } = all[0]?.host() ?? refuse('internal', 'nobody stands beside it')
      await bus.send(intakeTopic, [toIntakeRecord({ ...ids, ...what })])
    },
    stop,
  }
}
