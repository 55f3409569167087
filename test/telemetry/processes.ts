import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { addToken, newToken } from '@rondo/runtime'
import { eventually, freePorts, repositoryRoot } from '@rondo/testkit'
import { webhookSecret } from '../rig/rondo.ts'

export const services = ['requirements', 'builds', 'releases', 'operations', 'feedback', 'gateway'] as const
export type ServiceName = (typeof services)[number]

/** Rondo as processes that tell of themselves. */
export interface Processes {
  readonly url: string
  readonly dataDir: string
  /** What all have logged so far, a line each. */
  readonly log: readonly string[]
  /** Asks all to end, and waits: what they had to tell is then told. */
  end(): Promise<void>
}

/** As the script `start` of its package says. */
function startOne(service: ServiceName | 'all-in-one', env: Readonly<Record<string, string>>, log: string[]): ChildProcess {
  const { RONDO_TOKEN: _, NODE_OPTIONS: __, ...inherited } = process.env
  const child = spawn(process.execPath, ['--conditions=development', '--import', '@rondo/runtime/register', 'src/main.ts'], {
    cwd: join(repositoryRoot(), 'services', service),
    env: { ...inherited, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const lines = (chunk: Buffer) => void log.push(...chunk.toString().trimEnd().split('\n'))
  child.stdout.on('data', lines)
  child.stderr.on('data', lines)
  return child
}

async function endAll(children: readonly ChildProcess[]): Promise<void> {
  await Promise.all(
    children
      .filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null)
      .map(async (child) => {
        const ended = once(child, 'exit')
        child.kill('SIGTERM')
        await ended
      }),
  )
}

async function ready(url: string, children: readonly ChildProcess[], log: readonly string[]): Promise<void> {
  const dead = await eventually(
    async () => {
      const one = children.find(({ exitCode }) => exitCode !== null)
      return one ? { exit: one.exitCode } : (await fetch(`${url}/readyz`)).ok && { exit: undefined }
    },
    { within: 60_000, every: 100 },
  )
  if (dead.exit !== undefined) throw new Error(`a service ended with ${dead.exit}:\n${log.slice(-20).join('\n')}`)
}

interface Ports {
  readonly service: ServiceName | 'all-in-one'
  readonly http: number
  readonly grpc: number
}

async function portsFor(names: readonly Ports['service'][]): Promise<readonly Ports[]> {
  const ports = await freePorts(2 * names.length)
  return names.map((service, index) => ({ service, http: ports[2 * index] ?? 0, grpc: ports[2 * index + 1] ?? 0 }))
}

async function started(all: readonly Ports[], dataDir: string, env: Readonly<Record<string, string>>): Promise<Processes> {
  const url = `http://127.0.0.1:${all.at(-1)?.http}`
  const common = { ...env, RONDO_DATA_DIR: dataDir, RONDO_PUBLIC_URL: url, RONDO_GITHUB_WEBHOOK_SECRET: webhookSecret }
  const log: string[] = []
  const children = all.map(({ service, http, grpc }) =>
    startOne(service, { ...common, RONDO_HTTP_PORT: String(http), RONDO_GRPC_PORT: String(grpc) }, log),
  )
  const end = async () => {
    await endAll(children)
    await rm(dataDir, { recursive: true, force: true })
  }
  try {
    for (const { http } of all) await ready(`http://127.0.0.1:${http}`, children, log)
  } catch (error) {
    await end()
    throw error
  }
  return { url, dataDir, log, end }
}

const folder = () => mkdtemp(join(tmpdir(), 'rondo-test-'))

/** Each service as a process of its own; the gateway is the last. */
export async function startProcesses(env: Readonly<Record<string, string>>): Promise<Processes> {
  const dataDir = await folder()
  const token = newToken()
  await addToken(join(dataDir, 'tokens.json'), token, { actor: 'person:admin', roles: ['admin'] })
  await writeFile(join(dataDir, 'token'), token)
  const all = await portsFor(services)
  const addresses = all.map(({ service, grpc }) => [`RONDO_${service.toUpperCase()}_ADDRESS`, `127.0.0.1:${grpc}`])
  return started(all, dataDir, { ...env, ...Object.fromEntries(addresses) })
}

/** All in one process, as `npm start` runs them; it makes its own token. */
export const startAllInOne = async (env: Readonly<Record<string, string>>): Promise<Processes> =>
  started(await portsFor(['all-in-one']), await folder(), env)
