import { join } from 'node:path'
import { type Role, roles } from '@rondo/runtime/service'
import { addToken, newToken } from '@rondo/runtime/tokens'
import { dataFolder } from '../api.ts'
import { CliError } from '../exit.ts'
import type { Terminal } from '../terminal.ts'

const isRole = (text: string): text is Role => roles.some((role) => role === text)

/** Adds a token for a person (or a machine) to the token file of the Rondo that runs here. The token is shown once. */
export async function createToken(terminal: Terminal, actor: string, given: readonly string[]): Promise<string> {
  const unknown = given.filter((role) => !isRole(role))
  if (unknown.length > 0 || given.length === 0)
    throw new CliError('usage', `--role: ${unknown.join(', ') || 'one is needed'}; there are ${roles.join(', ')}`)
  const folder = dataFolder()
  const file = process.env.RONDO_TOKENS_FILE ?? (folder ? join(folder, 'tokens.json') : undefined)
  if (!file) throw new CliError('notFound', 'there is no .rondo here: run it where Rondo keeps its data, or set RONDO_TOKENS_FILE')
  const token = newToken()
  const named = /^(person|service):/.test(actor) ? actor : `person:${actor}`
  await addToken(file, token, { actor: named, roles: given.filter(isRole) })
  terminal.data({ actor: named, roles: given, token }, token)
  return token
}
