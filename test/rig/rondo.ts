import { createHmac, randomUUID } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { builds } from '@rondo/builds'
import { feedback } from '@rondo/feedback'
import { gateway } from '@rondo/gateway'
import { operations } from '@rondo/operations'
import { releases } from '@rondo/releases'
import { requirements } from '@rondo/requirements'
import { addToken, createLog, newToken, type Role, type Running, readConfig, run } from '@rondo/runtime'
import { eventually, freshDatabase } from '@rondo/testkit'

const services = [requirements, builds, releases, operations, feedback, gateway]
export const webhookSecret = 'a secret of the tests'

export interface Answer {
  readonly status: number
  /** Parsed where it is JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: an answer is looked into by each test as it comes over the wire
  readonly body: any
  readonly headers: Headers
}

/** All services in one process, on engines of the test run, spoken to as a user does: over HTTP. */
export interface Rondo {
  readonly url: string
  readonly grpc: string
  /** Where the token and the token file lie. */
  readonly dataDir: string
  /** The log so far, a line each. */
  readonly log: readonly string[]
  /** A bearer token for this actor with these roles; the same one again for the same words. */
  token(actor: string, ...roles: readonly Role[]): Promise<string>
  send(
    method: string,
    path: string,
    options?: { readonly body?: string | Uint8Array; readonly headers?: Readonly<Record<string, string>> },
  ): Promise<Answer>
  /** As the admin unless told. */
  rpc(method: string, request?: object, token?: string): Promise<Answer>
  /** A webhook as GitHub signs it. */
  github(event: string, body: unknown, delivery?: string): Promise<Answer>
  /** Nothing is under way any more: what was sent so far has had its effect. */
  settled(): Promise<void>
  stop(): Promise<void>
}

export interface RondoOptions {
  readonly env?: Readonly<Record<string, string>>
  /** A database of an earlier one, to go on with. */
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

async function answerOf(response: Response): Promise<Answer> {
  const text = await response.text()
  const json = response.headers.get('content-type')?.includes('json')
  return { status: response.status, body: json ? JSON.parse(text) : text, headers: response.headers }
}

/** Each ledger's head and each consumer's place twice the same: all reactions to all facts have run. */
async function settled(rondo: Pick<Rondo, 'rpc'>): Promise<void> {
  let before = ''
  await eventually(
    async () => {
      const { body } = await rondo.rpc('rondo.ledger.v1.Ledger/Status', { service: '' })
      const now = JSON.stringify(body)
      const quiet = now === before && body.services.every((one: { relay_delay_ms: string }) => Number(one.relay_delay_ms) === 0)
      before = now
      return quiet
    },
    { within: 30_000, every: 150 },
  )
}

export async function startRondo({ env = {}, database }: RondoOptions = {}): Promise<Rondo> {
  const dataDir = await mkdtemp(join(tmpdir(), 'rondo-test-'))
  const url = database ?? (await freshDatabase())
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
  const tokens = new Map<string, Promise<string>>()
  // One after the other: two writers of the file at once would lose one's line
  let adding = Promise.resolve()
  const token = (actor: string, ...roles: readonly Role[]) => {
    const key = `${actor} ${roles.join()}`
    const made = tokens.get(key) ?? add(actor, roles)
    tokens.set(key, made)
    return made
  }
  const add = async (actor: string, roles: readonly Role[]) => {
    const made = newToken()
    const named = /^(person|service):/.test(actor) ? actor : `person:${actor}`
    const done = adding.then(() => addToken(join(dataDir, 'tokens.json'), made, { actor: named, roles: [...roles] }))
    adding = done
    await done
    return made
  }
  const send: Rondo['send'] = async (method, path, { body, headers = {} } = {}) =>
    answerOf(
      await fetch(`${running.addresses.http}${path}`, {
        method,
        headers: { ...headers },
        ...(body === undefined ? {} : { body: body as string }),
      }),
    )
  await writeFile(join(dataDir, 'token'), await token('admin', 'admin'))
  const rondo: Rondo = {
    url: running.addresses.http,
    grpc: running.addresses.grpc,
    dataDir,
    log: lines,
    token,
    send,
    rpc: async (method, request = {}, by) =>
      send('POST', `/${method}`, {
        body: JSON.stringify(request),
        headers: { 'content-type': 'application/json', authorization: `Bearer ${by ?? (await token('admin', 'admin'))}` },
      }),
    github(event, body, delivery = randomUUID()) {
      const text = typeof body === 'string' ? body : JSON.stringify(body)
      const signature = createHmac('sha256', webhookSecret).update(text).digest('hex')
      const headers = {
        'content-type': 'application/json',
        'x-github-event': event,
        'x-github-delivery': delivery,
        'x-hub-signature-256': `sha256=${signature}`,
      }
      return send('POST', '/v1/webhooks/github', { body: text, headers })
    },
    settled: () => settled(rondo),
    async stop() {
      await running.stop()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
  return rondo
}
