import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cached } from '../cache.ts'
import { controlled } from '../child.ts'
import { onPath, run } from '../command.ts'
import { freePorts } from '../port.ts'

const version = '2.12.0'
const source = 'github.com/Shopify/toxiproxy/v2/cmd/server'
const variable = 'RONDO_TEST_TOXIPROXY'
const goFolders = ['/usr/local/go/bin', '/usr/lib/go/bin']

/** What happens to bytes on their way. `stream`: upstream is towards the engine. */
export interface Toxic {
  readonly type: 'latency' | 'timeout' | 'slow_close' | 'reset_peer' | 'bandwidth'
  readonly stream: 'upstream' | 'downstream'
  /** Milliseconds (bandwidth: KB a second), by the names of toxiproxy. */
  readonly attributes: Readonly<Record<string, number>>
}

/** A line between two that can be hurt. */
export interface Line {
  readonly name: string
  /** `host:port` to connect to in place of the engine's own. */
  readonly address: string
  /** Ends all connections and takes no new ones, until it is mended. */
  cut(): Promise<void>
  /** Holds for what is connected now and later, until it is mended. */
  poison(...toxics: readonly Toxic[]): Promise<void>
  /** As new. What was held back is delivered, unless `dead`: then the connections that were hurt end. */
  mend(options?: { readonly dead: boolean }): Promise<void>
}

export interface Network {
  /** `upstream`: `host:port`. On a free port unless told. */
  line(name: string, upstream: string, port?: number): Promise<Line>
  readonly lines: readonly Line[]
  end(): Promise<void>
}

/** Its server: the program that the variable names, the one on PATH, or one built with Go, once. */
async function serverProgram(): Promise<string> {
  const named = process.env[variable]
  if (named && !existsSync(named)) throw new Error(`${variable} names ${named}, which is not there`)
  const found = named || onPath('toxiproxy-server')
  if (found) return found
  const go = onPath('go', goFolders)
  if (go === undefined) throw new Error(`no toxiproxy-server and no go on PATH; install one of them, or name the program by ${variable}`)
  const folder = await cached(`toxiproxy-${version}`, async (draft) => {
    process.stderr.write(`building toxiproxy ${version}, once\n`)
    const env = { GOBIN: draft, GOFLAGS: '-trimpath' }
    await run(go, ['install', '-ldflags', '-s -w', `${source}@v${version}`], { cwd: draft, env, within: 900_000 })
  })
  return join(folder, 'server')
}

async function asked(api: string, method: string, path: string, body?: object): Promise<unknown> {
  const response = await fetch(`${api}${path}`, {
    method,
    // It refuses what looks like a browser
    headers: { 'user-agent': 'rondo-testkit', 'content-type': 'application/json' },
    signal: AbortSignal.timeout(5000),
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  if (!response.ok && response.status !== 404) throw new Error(`toxiproxy answers ${method} ${path} with ${response.status}: ${text}`)
  return text === '' ? undefined : JSON.parse(text)
}

class ProxiedLine implements Line {
  readonly name: string
  readonly address: string
  readonly #api: string
  #toxics = 0

  constructor(api: string, name: string, address: string) {
    this.#api = api
    this.name = name
    this.address = address
  }
  async cut(): Promise<void> {
    await this.#enable(false)
  }
  async poison(...toxics: readonly Toxic[]): Promise<void> {
    for (const toxic of toxics) {
      this.#toxics += 1
      await asked(this.#api, 'POST', `/proxies/${this.name}/toxics`, { name: `t${this.#toxics}`, toxicity: 1, ...toxic })
    }
  }
  async mend({ dead } = { dead: false }): Promise<void> {
    if (dead) await this.#enable(false)
    for (; this.#toxics > 0; this.#toxics -= 1) await asked(this.#api, 'DELETE', `/proxies/${this.name}/toxics/t${this.#toxics}`)
    await this.#enable(true)
  }
  async #enable(enabled: boolean): Promise<void> {
    await asked(this.#api, 'POST', `/proxies/${this.name}`, { enabled })
  }
}

/** A toxiproxy of its own; rejects with the reason where it cannot be built. */
export async function launchToxiproxy(runFolder: string): Promise<Network> {
  const server = await serverProgram()
  const [port = 0] = await freePorts(1)
  const cwd = join(runFolder, `toxiproxy-${port}`)
  const config = join(cwd, 'lines.json')
  mkdirSync(cwd, { recursive: true })
  // None yet; by its path a later run knows whose the process was
  writeFileSync(config, '[]')
  const api = `http://127.0.0.1:${port}`
  const program = await controlled({
    name: 'toxiproxy',
    runFolder,
    command: server,
    args: ['-host', '127.0.0.1', '-port', String(port), '-config', config],
    cwd,
    env: { LOG_LEVEL: 'error' },
    address: api,
    stopSignal: 'SIGKILL',
    startWithin: 20_000,
    answers: async () => {
      return String((await asked(api, 'GET', '/version')) ?? version)
    },
  })
  const lines: Line[] = []
  return {
    lines,
    async line(name, upstream, given) {
      const [free = 0] = given === undefined ? await freePorts(1) : [given]
      const address = `127.0.0.1:${free}`
      await asked(api, 'POST', '/proxies', { name, listen: address, upstream, enabled: true })
      const line = new ProxiedLine(api, name, address)
      lines.push(line)
      return line
    },
    end: () => program.kill(),
  }
}
