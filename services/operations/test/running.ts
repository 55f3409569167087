import { randomUUID } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as builds from '@rondo/contracts/builds'
import { intakeTopic, toIntakeRecord } from '@rondo/contracts/cloudevents'
import { handover } from '@rondo/contracts/releases'
import { requirement } from '@rondo/contracts/requirements'
import { type Fact, type FactTable, type Instant, refuse, stream, tell } from '@rondo/kernel'
import { loadProtos } from '@rondo/proto'
import { createChannels, createLog, type Host, hashToken, readConfig, run, type Service } from '@rondo/runtime'
import { operations } from '../src/service.ts'

/** What another service would say, from a ledger of its own: its rules are not needed here, its facts are. */
function speaker(name: string, tables: Readonly<Record<string, FactTable>>) {
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
    }),
  )
  const service: Service = { name, streams, reactions: [], rpc: {}, http: (_, host) => void hosts.push(host) }
  return {
    service,
    host: () => hosts[0] ?? refuse('internal', `${name} did not start`),
    async say(noun: string, id: string, at: Instant, fact: Fact) {
      const spoken = streams.find((one) => one.name === noun) ?? refuse('internal', `${name} has no ${noun}`)
      const unit = randomUUID()
      const cause = { at, actor: `service:${name}`, correlationId: unit, causationId: unit }
      await hosts[0]?.ledger.submit({ id: unit, hash: unit, remember: true, cause, messages: [tell(spoken, id, 'said', fact)] })
    },
  }
}

const tokens = { ada: ['product_owner'], grace: ['operator'], ci: ['reporter'] }
export type Name = keyof typeof tokens

/** The service as a process would run it, on real engines, with the services beside it that it listens to. */
export async function runOperations(databaseUrl: string) {
  const folder = await mkdtemp(join(tmpdir(), 'rondo-operations-'))
  const file = join(folder, 'tokens.json')
  const entries = Object.entries(tokens).map(([name, roles]) => ({ sha256: hashToken(name), actor: `person:${name}`, roles }))
  await writeFile(file, JSON.stringify(entries))
  const lines: string[] = []
  const config = readConfig({
    RONDO_HTTP_PORT: '0',
    RONDO_GRPC_PORT: '0',
    RONDO_TOKENS_FILE: file,
    RONDO_DATA_DIR: folder,
    RONDO_SHUTDOWN_TIMEOUT_MS: '5000',
    RONDO_DATABASE_URL: databaseUrl,
  })
  const others = {
    builds: speaker('builds', { placement: builds.placement }),
    requirements: speaker('requirements', { requirement }),
    releases: speaker('releases', { handover }),
  }
  const protos = loadProtos()
  const log = createLog('info', { write: (line: string) => void lines.push(line) })
  const running = await run([operations, ...Object.values(others).map(({ service }) => service)], config, { log, signals: false, protos })
  const channels = createChannels(protos, () => running.addresses.grpc)
  return {
    ...others,
    lines,
    // biome-ignore lint/suspicious/noExplicitAny: an answer is looked at by what the test expects of it
    call: (name: Name, method: string, request: object): Promise<any> =>
      channels.call('operations', `rondo.operations.v1.Operations/${method}`, { ...request }, { authorization: `Bearer ${name}` }),
    async intake(id: string, occurredAt: Instant, { type, data }: Fact) {
      const base = type.replace(/\.v\d+$/, '')
      const ids = { id, key: id, correlationId: id, causationId: id, loopIds: [] }
      await others.builds
        .host()
        .bus.send(intakeTopic, [toIntakeRecord({ ...ids, type: base, schemaVersion: 1, data, occurredAt, actor: 'service:prober' })])
    },
    async stop() {
      channels.close()
      await running.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
