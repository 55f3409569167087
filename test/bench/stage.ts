import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { startPostgres } from '@rondo/embedded'
import { addToken, newToken } from '@rondo/runtime'
import { eventually } from '@rondo/testkit/eventually'
import { launchAll } from '@rondo/testkit/launch'
import { freePorts } from '@rondo/testkit/port'
import { temporaryFolder } from '@rondo/testkit/temporary-folder'
import { settled } from '../rig/client.ts'
import { cpuOfThreads, type Process, startProcess } from './process.ts'

export interface Rondo extends Process {
  /** `host:port` */
  readonly grpc: string
  /** Nothing is under way any more: what was taken in has been read by all. */
  quiet(): Promise<void>
}

/** What rows are measured on; each part is started when it is first asked for. */
export interface Stage {
  readonly folder: string
  /** URL of the owner of a PostgreSQL that flushes its commits. */
  postgres(): Promise<string>
  /** `host:port` of a broker. */
  kafka(): Promise<string>
  /** Milliseconds of processor time that the broker's compilers have taken so far. */
  compiling(): Promise<number>
  /** A token that may do everything. */
  token(): Promise<string>
  /** Variables for processes of Rondo on these engines. */
  env(): Promise<Readonly<Record<string, string>>>
  /** A process of Rondo by its main file; stopped after the work. */
  withRondo<T>(main: string, work: (rondo: Rondo) => Promise<T>): Promise<T>
  /** Closed before the engines, in reverse order. */
  atEnd(close: () => Promise<void>): void
  end(): Promise<void>
}

/** The edge alone is no whole Rondo, and never ready without the others. */
const edgeAlone = 'services/gateway/src/main.ts'
export const allInOne = 'services/all-in-one/src/main.ts'
export const gatewayAlone = edgeAlone

const once = <T>(make: () => Promise<T>): (() => Promise<T>) => {
  let made: Promise<T> | undefined
  return () => {
    made ??= make()
    return made
  }
}

/** Resolves when nothing is under way any more at this edge. */
export function quietOf(http: string, token: string, service = ''): () => Promise<void> {
  const rpc = async (method: string, request: object = {}) => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
    const response = await fetch(`${http}/${method}`, { method: 'POST', headers, body: JSON.stringify(request) })
    return { status: response.status, body: await response.json(), headers: response.headers }
  }
  return () =>
    eventually(
      async () => {
        await settled({ rpc }, service)
        return true
      },
      { within: 180_000 },
    ).then(() => undefined)
}

export async function openStage(): Promise<Stage> {
  const folder = temporaryFolder('bench')
  const closers: (() => Promise<void>)[] = []
  const atEnd = (close: () => Promise<void>) => void closers.push(close)

  const postgres = once(async () => {
    const server = await startPostgres(folder)
    atEnd(() => server.stop())
    return server.url
  })
  const broker = once(async () => {
    const { engines, end } = await launchAll(['kafka'])
    atEnd(end)
    return engines.kafka
  })
  const kafka = async () => (await broker()).address
  const token = once(async () => {
    const made = newToken()
    await addToken(join(folder, 'tokens.json'), made, { actor: 'person:bench', roles: ['admin'] })
    return made
  })
  const env = async () => ({ RONDO_DATABASE_URL: await postgres(), RONDO_KAFKA_BROKERS: await kafka(), RONDO_DATA_DIR: folder })
  return {
    folder,
    postgres,
    kafka,
    compiling: async () => cpuOfThreads((await broker()).pid, /^C[12] Compiler/),
    token,
    env,
    async withRondo(main, work) {
      const bearer = await token()
      const [http = 0, grpc = 0] = await freePorts(2)
      const process = await startProcess(main, await env(), { ports: [http, grpc], ready: main !== edgeAlone })
      try {
        return await work({
          ...process,
          grpc: `127.0.0.1:${grpc}`,
          quiet: quietOf(process.http, bearer, main === edgeAlone ? 'gateway' : ''),
        })
      } finally {
        await process.stop()
      }
    },
    atEnd,
    async end() {
      // All of them, whatever becomes of one
      for (const close of closers.splice(0).reverse())
        await close().catch((error: unknown) => process.stderr.write(`could not be ended: ${error}\n`))
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
