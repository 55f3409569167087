import { createHmac, randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { addToken, newToken, type Role } from '@rondo/runtime'
import { eventually } from '@rondo/testkit/eventually'

export const webhookSecret = 'a secret of the tests'

export interface Answer {
  readonly status: number
  /** Parsed where it is JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: an answer is looked into by each test as it comes over the wire
  readonly body: any
  readonly headers: Headers
}

/** Rondo as a user sees it: over HTTP. */
export interface Client {
  readonly url: string
  /** Where the token and the token file lie. */
  readonly dataDir: string
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
}

async function answerOf(response: Response): Promise<Answer> {
  const text = await response.text()
  const json = response.headers.get('content-type')?.includes('json')
  return { status: response.status, body: json ? JSON.parse(text) : text, headers: response.headers }
}

/** Tokens are added to the file that the processes read. */
function tokensIn(dataDir: string): Client['token'] {
  const tokens = new Map<string, Promise<string>>()
  // One after the other: two writers of the file at once would lose one's line
  let adding = Promise.resolve()
  const add = async (actor: string, roles: readonly Role[]) => {
    const made = newToken()
    const named = /^(person|service):/.test(actor) ? actor : `person:${actor}`
    const done = adding.then(() => addToken(join(dataDir, 'tokens.json'), made, { actor: named, roles: [...roles] }))
    adding = done
    await done
    return made
  }
  return (actor, ...roles) => {
    const key = `${actor} ${roles.join()}`
    const made = tokens.get(key) ?? add(actor, roles)
    tokens.set(key, made)
    return made
  }
}

/** Each ledger's head and each consumer's place twice the same: all reactions to all facts have run. `service`: of one alone. */
export async function settled({ rpc }: Pick<Client, 'rpc'>, service = ''): Promise<void> {
  let before = ''
  await eventually(
    async () => {
      const { body } = await rpc('rondo.ledger.v1.Ledger/Status', { service })
      const now = JSON.stringify(body)
      const quiet = now === before && body.services.every((one: { relay_delay_ms: string }) => Number(one.relay_delay_ms) === 0)
      before = now
      return quiet
    },
    { within: 30_000, every: 150 },
  )
}

/** A Rondo at an address; its token file lies in the folder. */
export function createClient(url: string, dataDir: string): Client {
  const token = tokensIn(dataDir)
  const send: Client['send'] = async (method, path, { body, headers = {} } = {}) =>
    answerOf(await fetch(`${url}${path}`, { method, headers: { ...headers }, ...(body === undefined ? {} : { body: body as string }) }))
  return {
    url,
    dataDir,
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
  }
}
