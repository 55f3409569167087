import { text } from 'node:stream/consumers'
import { CliError } from '../exit.ts'
import type { Session } from '../session.ts'

/** The proto package of each service. */
const packages: Readonly<Record<string, string>> = {
  Requirements: 'requirements',
  Builds: 'builds',
  Releases: 'releases',
  Operations: 'operations',
  Feedback: 'feedback',
  Intake: 'intake',
  People: 'intake',
  Loops: 'intake',
  Ledger: 'ledger',
}

/** `Requirements/Refine` or `rondo.requirements.v1.Requirements/Refine` as the latter. */
export function fullMethod(given: string): string {
  const [, prefix, service = '', method] = /^(?:(rondo\.[a-z]+\.v\d+)\.)?([A-Za-z]+)\/([A-Za-z]+)$/.exec(given) ?? []
  if (!method) throw new CliError('usage', `"${given}" is no method such as Requirements/GetRequirement`)
  if (prefix) return given
  const name = packages[service]
  if (!name) throw new CliError('usage', `there is no service "${service}"; there are ${Object.keys(packages).join(', ')}`)
  return `rondo.${name}.v1.${service}/${method}`
}

export function objectOf(json: string): object {
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch (error) {
    throw new CliError('usage', `the request is no JSON: ${error instanceof Error ? error.message : error}`)
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value))
    throw new CliError('usage', 'the request is a JSON object such as {"requirement_id": "REQ-1"}')
  return value
}

export interface CallOptions {
  /** The same id again does nothing again: for retries. */
  readonly messageId?: string
}

/** Any unary RPC. `-` reads the request from stdin. */
export async function call({ api, terminal }: Session, method: string, request: string, { messageId }: CallOptions): Promise<void> {
  const body = objectOf(request === '-' ? await text(process.stdin) : request)
  const answer = await api.rpc<object>(fullMethod(method), body, messageId ? { messageId } : {})
  terminal.data(answer, JSON.stringify(answer, null, 2))
}
