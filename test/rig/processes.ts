import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { eventually } from '@rondo/testkit/eventually'
import { freePorts } from '@rondo/testkit/port'
import { temporaryFolder } from '@rondo/testkit/temporary-folder'
import { repositoryRoot } from '@rondo/testkit/test-data'
import { type Client, createClient, settled, webhookSecret } from './client.ts'

export const services = ['requirements', 'builds', 'releases', 'operations', 'feedback', 'gateway'] as const
export type ServiceName = (typeof services)[number]

/** One process of Rondo. */
export interface One {
  readonly service: ServiceName | 'all-in-one' | 'several'
  readonly url: string
  /** `host:port` */
  readonly grpc: string
  readonly pid: number
  /** What it has logged so far, a line each. */
  readonly log: readonly string[]
  /** SIGKILL, and waits. */
  kill(): Promise<void>
  /** As it was started first, on the same ports; waits until it is ready, unless told that it cannot be. */
  start(options?: { readonly ready: boolean }): Promise<void>
  /** SIGSTOP: what is sent to it waits. */
  freeze(): void
  /** SIGCONT. */
  thaw(): void
}

/** Rondo as processes that tell of themselves. */
export interface Processes extends Client {
  readonly all: readonly One[]
  one(service: ServiceName): One
  /** What all have logged so far, a line each. */
  readonly log: readonly string[]
  /** Nothing is under way any more in those that run. */
  settled(): Promise<void>
  /** Asks all to end, and waits: what they had to tell is then told. */
  end(): Promise<void>
}

type Env = Readonly<Record<string, string>>

/** How a process of Rondo comes to be, its output not read yet. */
export type Spawn = (service: One['service'], env: Env) => ChildProcess

/** As the script `start` of its package says. */
const spawnMain: Spawn = (service, env) => {
  const { RONDO_TOKEN: _, NODE_OPTIONS: __, ...inherited } = process.env
  return spawn(process.execPath, ['--conditions=development', '--import', '@rondo/runtime/register', 'src/main.ts'], {
    cwd: join(repositoryRoot(), 'services', service),
    env: { ...inherited, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

function heard(child: ChildProcess, say: (...lines: readonly string[]) => void): ChildProcess {
  const lines = (chunk: Buffer) => say(...chunk.toString().trimEnd().split('\n'))
  child.stdout?.on('data', lines)
  child.stderr?.on('data', lines)
  return child
}

const runs = ({ exitCode, signalCode }: ChildProcess) => exitCode === null && signalCode === null

async function signalled(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (!runs(child)) return
  const ended = once(child, 'exit')
  child.kill('SIGCONT')
  child.kill(signal)
  await ended
}

async function answers(url: string, child: ChildProcess, log: readonly string[], ready: boolean): Promise<void> {
  const dead = await eventually(
    async () => !runs(child) || ((await fetch(`${url}/${ready ? 'readyz' : 'healthz'}`)).ok && { exit: undefined }),
    { within: 180_000, every: 100 },
  )
  if (dead === true) throw new Error(`a service ended with ${child.exitCode}:\n${log.slice(-40).join('\n')}`)
}

export interface Place {
  readonly service: One['service']
  readonly http: number
  readonly grpc: number
}

export class ServiceProcess implements One {
  readonly service: One['service']
  readonly url: string
  readonly grpc: string
  readonly #env: Env
  readonly #spawn: Spawn
  readonly log: string[] = []
  readonly #say: (...lines: readonly string[]) => void
  #child: ChildProcess

  constructor({ service, http, grpc }: Place, env: Env, all: string[], spawnIt: Spawn = spawnMain) {
    this.service = service
    this.url = `http://127.0.0.1:${http}`
    this.grpc = `127.0.0.1:${grpc}`
    this.#env = { ...env, RONDO_HTTP_PORT: String(http), RONDO_GRPC_PORT: String(grpc) }
    this.#say = (...lines) => {
      this.log.push(...lines)
      all.push(...lines)
    }
    this.#spawn = spawnIt
    this.#child = heard(spawnIt(service, this.#env), this.#say)
  }
  get pid(): number {
    return this.#child.pid ?? 0
  }
  get runs(): boolean {
    return runs(this.#child)
  }
  ready(ready = true): Promise<void> {
    return answers(this.url, this.#child, this.log, ready)
  }
  kill(): Promise<void> {
    return signalled(this.#child, 'SIGKILL')
  }
  end(): Promise<void> {
    return signalled(this.#child, 'SIGTERM')
  }
  async start({ ready } = { ready: true }): Promise<void> {
    if (runs(this.#child)) throw new Error(`${this.service} runs`)
    this.#child = heard(this.#spawn(this.service, this.#env), this.#say)
    await this.ready(ready)
  }
  freeze(): void {
    this.#child.kill('SIGSTOP')
  }
  thaw(): void {
    this.#child.kill('SIGCONT')
  }
}

export async function placesOf(names: readonly One['service'][]): Promise<readonly Place[]> {
  const ports = await freePorts(2 * names.length)
  return names.map((service, index) => ({ service, http: ports[2 * index] ?? 0, grpc: ports[2 * index + 1] ?? 0 }))
}

async function started(places: readonly Place[], client: Client, env: Readonly<Record<string, string>>): Promise<Processes> {
  const { url, dataDir } = client
  const common = {
    ...env,
    RONDO_DATA_DIR: dataDir,
    RONDO_PUBLIC_URL: url,
    RONDO_GITHUB_WEBHOOK_SECRET: webhookSecret,
    RONDO_RATE_LIMIT: '100000',
  }
  const log: string[] = []
  const all = places.map((place) => new ServiceProcess(place, common, log))
  const end = async () => {
    await Promise.all(all.map((one) => one.end()))
    await rm(dataDir, { recursive: true, force: true })
  }
  try {
    // The edge waits for the others: one that died is told at once
    await Promise.all(all.map((one) => one.ready()))
  } catch (error) {
    await end()
    throw error
  }
  const one = (service: ServiceName) => {
    const found = all.find((each) => each.service === service)
    if (!found) throw new Error(`${service} is no process of its own here`)
    return found
  }
  return { ...client, all, one, log, settled: () => settled(client), end }
}

const folder = () => temporaryFolder('test')
const urlOf = (places: readonly Place[]) => `http://127.0.0.1:${places.at(-1)?.http}`

/** Each service as a process of its own; the gateway is the last, and the one that the client talks to. `more`: gateways beside it. */
export async function startProcesses(env: Readonly<Record<string, string>>, { more = 0 } = {}): Promise<Processes> {
  const places = await placesOf([...Array.from({ length: more }, () => 'gateway' as const), ...services])
  const client = createClient(urlOf(places), await folder())
  await writeFile(join(client.dataDir, 'token'), await client.token('admin', 'admin'))
  const addresses = places.slice(more).map(({ service, grpc }) => [`RONDO_${service.toUpperCase()}_ADDRESS`, `127.0.0.1:${grpc}`])
  return started(places, client, { ...env, ...Object.fromEntries(addresses) })
}

/** All in one process, as `npm start` runs them; it makes its own token. */
export async function startAllInOne(env: Readonly<Record<string, string>>): Promise<Processes> {
  const places = await placesOf(['all-in-one'])
  return started(places, createClient(urlOf(places), await folder()), env)
}
