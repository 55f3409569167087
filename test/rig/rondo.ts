import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { builds } from '@rondo/builds'
import { feedback } from '@rondo/feedback'
import { gateway } from '@rondo/gateway'
import { operations } from '@rondo/operations'
import { releases } from '@rondo/releases'
import { requirements } from '@rondo/requirements'
import { createLog, type Running, readConfig, run } from '@rondo/runtime'
import { freshDatabase, type Template, temporaryFolder } from '@rondo/testkit'
import { type Client, createClient, settled, webhookSecret } from './client.ts'

const services = [requirements, builds, releases, operations, feedback, gateway]

/** All services in one process, on engines of the test run, spoken to as a user does: over HTTP. */
export interface Rondo extends Client {
  readonly grpc: string
  /** The log so far, a line each. */
  readonly log: readonly string[]
  /** Nothing is under way any more: what was sent so far has had its effect. */
  settled(): Promise<void>
  stop(): Promise<void>
}

export interface RondoOptions {
  /** With other settings than the usual ones the database is empty at first, unless one is given. */
  readonly env?: Readonly<Record<string, string>>
  /** One of an earlier Rondo, to go on with. */
  readonly database?: string
}

function collected(): { readonly lines: string[]; readonly stream: Writable } {
  const lines: string[] = []
  const stream = new Writable({
    write(chunk, _, done) {
      lines.push(String(chunk).trim())
      done()
    },
  })
  return { lines, stream }
}

/** As a first start leaves it: making all tables anew takes longer than most tests. */
const startedOnce: Template = { name: 'rondo', prepare: async (url) => (await startRondo({ database: url })).stop() }

export async function startRondo({ env, database }: RondoOptions = {}): Promise<Rondo> {
  const dataDir = temporaryFolder('test')
  const url = database ?? (await freshDatabase(env ? {} : { template: startedOnce }))
  const { lines, stream } = collected()
  const config = readConfig({
    RONDO_DATA_DIR: dataDir,
    RONDO_DATABASE_URL: url,
    RONDO_HTTP_PORT: '0',
    RONDO_GRPC_PORT: '0',
    RONDO_GITHUB_WEBHOOK_SECRET: webhookSecret,
    RONDO_LOG_LEVEL: 'info',
    RONDO_RATE_LIMIT: '100000',
    ...env,
  })
  const running: Running = await run(services, config, { signals: false, log: createLog('info', stream) })
  const client = createClient(running.addresses.http, dataDir)
  await writeFile(join(dataDir, 'token'), await client.token('admin', 'admin'))
  return {
    ...client,
    grpc: running.addresses.grpc,
    log: lines,
    settled: () => settled(client),
    async stop() {
      await running.stop()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}
