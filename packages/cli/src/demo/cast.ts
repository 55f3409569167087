import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Role } from '@rondo/runtime/service'
import { addToken, newToken } from '@rondo/runtime/tokens'
import { z } from 'zod'
import { type Api, dataFolder } from '../api.ts'
import { CliError } from '../exit.ts'

/** Who plays, with the roles of their tokens. Ada may approve too: so that it is the four eyes that stop her, not the role. */
export const cast = {
  ada: { actor: 'person:ada@example.org', name: 'Ada Lovelace', github: 'ada-example', roles: ['developer', 'approver'] },
  grace: { actor: 'person:grace@example.org', name: 'Grace Hopper', github: 'grace-example', roles: ['approver'] },
  barbara: { actor: 'person:barbara@example.org', name: 'Barbara Liskov', github: 'barbara-example', roles: ['product_owner'] },
  edsger: { actor: 'person:edsger@example.org', name: 'Edsger Dijkstra', github: 'edsger-example', roles: ['operator'] },
  ci: { actor: 'service:demo-ci', name: 'the CI system', roles: ['reporter'] },
  shop: { actor: 'service:demo-shop', name: 'the shop itself', roles: ['reporter'] },
  alertmanager: { actor: 'service:demo-alertmanager', name: 'Alertmanager', roles: ['reporter'] },
} as const satisfies Readonly<Record<string, { actor: string; name: string; github?: string; roles: readonly Role[] }>>
export type Player = keyof typeof cast
export type Players = Readonly<Record<Player | 'admin', Api>>

const players = Object.keys(cast) as Player[]
const kept = z.record(z.string(), z.string())

function tokensFile(): string {
  const folder = dataFolder()
  const file = process.env.RONDO_TOKENS_FILE ?? (folder ? join(folder, 'tokens.json') : undefined)
  if (file) return file
  throw new CliError(
    'notFound',
    'the demo gives each person a token of their own: run it where Rondo keeps its data (.rondo), or set RONDO_DATA_DIR',
  )
}

/** Tokens of an earlier run are used again, so that the list does not grow with each. */
async function earlier(file: string): Promise<Record<string, string>> {
  return existsSync(file) ? kept.parse(JSON.parse(await readFile(file, 'utf8'))) : {}
}

/** A connection for each player, with a token of their own. */
export async function engage(api: Api): Promise<Players> {
  const tokens = tokensFile()
  const file = join(dirname(tokens), 'demo-tokens.json')
  const known = await earlier(file)
  const given = Object.fromEntries(players.map((player) => [player, known[player] ?? newToken()]))
  for (const player of players) await addToken(tokens, given[player] ?? '', { actor: cast[player].actor, roles: [...cast[player].roles] })
  await writeFile(file, `${JSON.stringify(given)}\n`, { mode: 0o600 })
  const as = Object.fromEntries(players.map((player) => [player, api.as(given[player] ?? '')])) as Record<Player, Api>
  try {
    await as.ada.rpc('rondo.operations.v1.Operations/ListServices', { page_size: 1 })
  } catch (error) {
    if (!(error instanceof CliError) || error.exit !== 'unauthenticated') throw error
    throw new CliError(
      'unauthenticated',
      `the Rondo at ${api.url} does not know the tokens in ${tokens}: run the demo with the RONDO_DATA_DIR (or RONDO_TOKENS_FILE) of that Rondo`,
    )
  }
  return { ...as, admin: api }
}
