import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { cached, cacheFolder } from '../cache.ts'
import { controlled } from '../child.ts'
import { onPath, run } from '../command.ts'
import type { Controlled } from '../engine.ts'
import { freePorts } from '../port.ts'

export const jaegerVersion = '1.76.0'
const folderName = `jaeger-${jaegerVersion}`
const program = 'github.com/jaegertracing/jaeger/cmd/all-in-one'
/** Milliseconds. Eight minutes have been seen on two busy cores. */
const buildWithin = 25 * 60_000
const goFolders = ['/usr/local/go/bin', '/usr/lib/go/bin']

const isBuilt = () => existsSync(join(cacheFolder(), folderName, 'jaeger'))

/** Why no Jaeger can be started on this machine; undefined: it can. */
export const jaegerUnbuildable = (): string | undefined =>
  isBuilt() || onPath('go', goFolders) !== undefined ? undefined : `no go on PATH to build Jaeger ${jaegerVersion} with`

/** As the rest is: behind whatever else runs. */
const politely = (command: string, args: readonly string[]) => {
  const nice = onPath('nice')
  return nice === undefined ? ([command, args] as const) : ([nice, ['-n', '15', command, ...args]] as const)
}

/** Compiles, and says how far it is: a silence of minutes looks like a hang. */
async function compile(go: string, draft: string): Promise<void> {
  const [command, args] = politely(go, ['build', '-v', '-trimpath', '-ldflags', '-s -w', '-o', 'jaeger', program])
  const child = spawn(command, args, { cwd: draft, stdio: ['ignore', 'ignore', 'pipe'], timeout: buildWithin })
  const ended = once(child, 'exit')
  const started = Date.now()
  let said: readonly string[] = []
  let packages = 0
  for await (const line of createInterface({ input: child.stderr })) {
    said = [...said.slice(-7), line]
    packages += 1
    if (packages % 100 === 0) process.stderr.write(`  ${packages} packages after ${Math.round((Date.now() - started) / 1000)} s\n`)
  }
  const [code] = (await ended) as [number | null]
  if (code !== 0) throw new Error(`go build of Jaeger failed: ${said.join('\n')}`)
}

const built = (): Promise<string> =>
  cached(folderName, async (draft) => {
    const go = onPath('go', goFolders)
    if (go === undefined) throw new Error(jaegerUnbuildable())
    process.stderr.write(`building Jaeger ${jaegerVersion}, once: this can take ten minutes\n`)
    // Its own module has replace directives, which `go install` refuses: a module around it has none.
    await run(go, ['mod', 'init', 'jaeger-of-tests'], { cwd: draft })
    await run(go, ['get', `${program}@v${jaegerVersion}`], { cwd: draft, within: 600_000 })
    await compile(go, draft)
    process.stderr.write(`Jaeger ${jaegerVersion} is built\n`)
  })

/** Rejects until the query API answers. */
export async function jaegerAnswers(query: string): Promise<void> {
  const response = await fetch(new URL('/api/services', query), { signal: AbortSignal.timeout(2000) })
  if (!response.ok) throw new Error(`${query} answers ${response.status}`)
  await response.body?.cancel()
}

const listening = (query: number, otlp: number, others: readonly number[]): readonly string[] => {
  const [otlpGrpc, queryGrpc, collectorGrpc, collectorHttp, admin] = others
  const flags = {
    'query.http-server.host-port': query,
    'query.grpc-server.host-port': queryGrpc,
    'collector.otlp.http.host-port': otlp,
    'collector.otlp.grpc.host-port': otlpGrpc,
    'collector.grpc-server.host-port': collectorGrpc,
    'collector.http-server.host-port': collectorHttp,
    'admin.http.host-port': admin,
  }
  return Object.entries(flags).map(([flag, port]) => `--${flag}=127.0.0.1:${port}`)
}

/** A Jaeger of its own, all in memory. Its address is that of the query API; `otlp` takes OTLP over HTTP. */
export async function launchJaeger(runFolder: string): Promise<Controlled & { readonly otlp: string }> {
  const folder = await built()
  const [query = 0, otlp = 0, ...others] = await freePorts(7)
  const cwd = join(runFolder, `jaeger-${query}`)
  mkdirSync(cwd, { recursive: true })
  const address = `http://127.0.0.1:${query}`
  const engine = await controlled({
    name: 'jaeger',
    runFolder,
    command: join(folder, 'jaeger'),
    args: ['--memory.max-traces=100000', ...listening(query, otlp, others)],
    cwd,
    env: { SPAN_STORAGE_TYPE: 'memory' },
    address,
    // It has nothing to lose, and takes ten seconds to say goodbye
    stopSignal: 'SIGKILL',
    startWithin: 20_000,
    answers: async () => {
      await jaegerAnswers(address)
      return jaegerVersion
    },
  })
  return Object.assign(engine, { otlp: `http://127.0.0.1:${otlp}` })
}
