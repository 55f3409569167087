import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { createParser } from 'eventsource-parser'
import { z } from 'zod'
import { CliError, exitOf } from './exit.ts'
import { againLater } from './later.ts'

export interface Api {
  readonly url: string
  /** A unary RPC as JSON, e.g. `rondo.requirements.v1.Requirements/Refine`. */
  rpc<Response>(method: string, request: object, options?: { readonly messageId?: string }): Promise<Response>
  /** A plain request; refused answers reject with the server's sentence. */
  request(
    method: 'GET' | 'POST',
    path: string,
    options?: { readonly body?: string | Uint8Array; readonly headers?: Readonly<Record<string, string>> },
  ): Promise<unknown>
  /** A GET whose answer is read whatever its status (`/readyz` says 503 and why). */
  look(path: string): Promise<unknown>
  /** Server-sent events, from where `lastId` says. Ends when the server does. */
  events(
    path: string,
    options: { readonly lastId?: string; readonly signal?: AbortSignal },
  ): AsyncIterable<{ readonly id: string; readonly event: string; readonly data: unknown }>
  /** The same server with another token. */
  as(token: string): Api
}

const problem = z.looseObject({
  code: z.string().optional(),
  detail: z.string().optional(),
  message: z.string().optional(),
  details: z.array(z.looseObject({ debug: z.looseObject({ code: z.string() }).optional() })).optional(),
})

/** The sentence and Rondo's own code out of a problem document or a Connect error. */
function refusal({ status, headers }: Response, text: string): CliError {
  const seconds = Number(headers.get('retry-after') ?? Number.NaN)
  const later = Number.isFinite(seconds) ? { retry_after_s: seconds } : {}
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    // Not ours: a proxy, or something else that listens there
    return new CliError('failed', `the server answered ${status}: ${text.slice(0, 200)}`, { status })
  }
  const { code, detail, message, details } = problem.parse(body)
  const debug = details?.find((one) => one.debug)?.debug
  const known = debug?.code ?? code ?? 'internal'
  return new CliError(exitOf(known), detail ?? message ?? `the server answered ${status}`, { status, ...debug, ...later, code: known })
}

/** The data folder of a Rondo that runs here: this folder's or one above's. */
export function dataFolder(from = process.cwd()): string | undefined {
  const given = process.env.RONDO_DATA_DIR
  if (given) return resolve(given)
  const here = join(from, '.rondo')
  if (existsSync(here)) return here
  return dirname(from) === from ? undefined : dataFolder(dirname(from))
}

export function tokenOf(): string {
  const given = process.env.RONDO_TOKEN
  if (given) return given
  const file = join(dataFolder() ?? '.rondo', 'token')
  if (existsSync(file)) return readFileSync(file, 'utf8').trim()
  throw new CliError('unauthenticated', 'there is no token: set RONDO_TOKEN, or run this where .rondo/token is (npm start makes it)')
}

export const urlOf = (): string => (process.env.RONDO_URL ?? 'http://127.0.0.1:8686').replace(/\/$/, '')

const message = (error: unknown): string => {
  const cause = error instanceof Error ? error.cause : undefined
  return cause instanceof Error && 'code' in cause ? String(cause.code) : error instanceof Error ? error.message : String(error)
}

export function createApi(url = urlOf(), token: () => string = tokenOf): Api {
  const reach = async (path: string, init: RequestInit): Promise<Response> => {
    try {
      return await fetch(`${url}${path}`, init)
    } catch (error) {
      if (error instanceof Error && error.name === 'AbortError') throw error
      throw new CliError(
        'failed',
        `no Rondo answers at ${url} (${message(error)}): start it with "npm start", or say where it is by RONDO_URL`,
      )
    }
  }
  const send = async (path: string, init: RequestInit & { headers?: Record<string, string> }): Promise<Response> => {
    const headers = { authorization: `Bearer ${token()}`, ...init.headers }
    return againLater(async () => {
      const response = await reach(path, { ...init, headers })
      if (!response.ok) throw refusal(response, await response.text())
      return response
    }, init.signal ?? undefined)
  }

  return {
    url,
    async rpc<Answer>(method: string, request: object, { messageId }: { readonly messageId?: string } = {}) {
      const headers = { 'content-type': 'application/json', ...(messageId ? { 'x-rondo-message-id': messageId } : {}) }
      const response = await send(`/${method}`, { method: 'POST', body: JSON.stringify(request), headers })
      return (await response.json()) as Answer
    },
    async request(method, path, { body, headers = {} } = {}) {
      const response = await send(path, {
        method,
        headers: { ...headers },
        ...(body === undefined ? {} : { body: body as NonNullable<RequestInit['body']> }),
      })
      const type = response.headers.get('content-type') ?? ''
      return type.includes('json') ? response.json() : response.text()
    },
    async look(path) {
      const response = await reach(path, {})
      // What is no JSON is no answer of Rondo's
      return response.json().catch(() => undefined)
    },
    async *events(path, { lastId, signal }) {
      const response = await send(path, {
        headers: { accept: 'text/event-stream', ...(lastId ? { 'last-event-id': lastId } : {}) },
        ...(signal ? { signal } : {}),
      })
      const queue: { id: string; event: string; data: unknown }[] = []
      const parser = createParser({
        onEvent: ({ id = '', event = 'message', data }) => void queue.push({ id, event, data: JSON.parse(data) }),
      })
      const decoder = new TextDecoder()
      for await (const chunk of response.body ?? []) {
        parser.feed(decoder.decode(chunk, { stream: true }))
        yield* queue.splice(0)
      }
    },
    as: (other) => createApi(url, () => other),
  }
}
