import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { repositoryRoot } from '@rondo/testkit/test-data'
import { type Client, webhookSecret } from '../rig/client.ts'

export interface Ended {
  readonly exit: number | null
  readonly out: string
  readonly err: string
}
export interface Options {
  readonly input?: string
  readonly env?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
}

/** The command as a user starts it, against this Rondo and with its admin's token. */
export function start({ url, dataDir }: Pick<Client, 'url' | 'dataDir'>, args: readonly string[], env: Options['env'] = {}) {
  const bin = join(repositoryRoot(), 'packages', 'cli', 'bin', 'rondo.mjs')
  const { RONDO_TOKEN: _, ...inherited } = process.env
  return spawn(process.execPath, [bin, ...args], {
    env: { ...inherited, NODE_OPTIONS: '', RONDO_URL: url, RONDO_DATA_DIR: dataDir, RONDO_GITHUB_WEBHOOK_SECRET: webhookSecret, ...env },
  })
}

export async function command(
  rondo: Pick<Client, 'url' | 'dataDir'>,
  args: readonly string[],
  { input = '', env }: Options = {},
): Promise<Ended> {
  const child = start(rondo, args, env)
  child.stdin.end(input)
  const ended = new Promise<number | null>((done) => child.on('close', done))
  const [out, err, exit] = await Promise.all([text(child.stdout), text(child.stderr), ended])
  return { exit, out, err }
}
