import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { eventually } from '@rondo/testkit/eventually'
import { freePorts } from '@rondo/testkit/port'
import { repositoryRoot } from '@rondo/testkit/test-data'

export interface Process {
  readonly http: string
  /** Milliseconds from its start until it was ready. */
  readonly startedMs: number
  /** Resident memory in MB. */
  memory(): number
  /** Seconds of processor time so far. */
  cpu(): number
  stop(): Promise<void>
}

/** Of the processor times that /proc tells. */
export const ticksPerSecond = 100

/** What the `start` script of a service, by its main file, gives V8. */
export function v8Flags(main: string): readonly string[] {
  const file = join(repositoryRoot(), dirname(main), '..', 'package.json')
  const { scripts } = JSON.parse(readFileSync(file, 'utf8')) as { scripts: { start: string } }
  return scripts.start.match(/--(v8-pool-size|max-semi-space-size|heap-growing-percent)=\d+/g) ?? []
}

/** Resident memory in MB and seconds of processor time so far. */
export function statOf(child: Pick<ChildProcess, 'pid'>): { readonly memory: number; readonly cpu: number } {
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8')
  const [, kB = '0'] = /VmRSS:\s+(\d+)/.exec(status) ?? []
  const fields = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return { memory: Number(kB) / 1024, cpu: (Number(fields[11]) + Number(fields[12])) / ticksPerSecond }
}

/** Milliseconds of processor time so far of a process's threads of these names, of which Linux keeps 15 characters. */
export function cpuOfThreads(pid: number, name: RegExp): number {
  const tasks = `/proc/${pid}/task`
  const ticksOf = (task: string) => {
    const stat = join(tasks, task, 'stat')
    // A thread may end meanwhile
    const [head = '', rest = ''] = existsSync(stat) ? readFileSync(stat, 'utf8').split(') ') : []
    const fields = rest.split(' ')
    return name.test(head.slice(head.indexOf('(') + 1)) ? Number(fields[11]) + Number(fields[12]) : 0
  }
  return (readdirSync(tasks).reduce((sum, task) => sum + ticksOf(task), 0) * 1000) / ticksPerSecond
}

/** A service by its main file, ready when it resolves. `ports`: HTTP and gRPC; any free ones unless told. */
export async function startProcess(
  main: string,
  env: Readonly<Record<string, string>>,
  { ready = true, ports }: { readonly ready?: boolean; readonly ports?: readonly [number, number] } = {},
): Promise<Process> {
  const [http = 0, grpc = 0] = ports ?? (await freePorts(2))
  const begin = performance.now()
  const child = spawn(process.execPath, ['--conditions=development', ...v8Flags(main), join(repositoryRoot(), main)], {
    env: {
      ...process.env,
      ...env,
      RONDO_HTTP_PORT: String(http),
      RONDO_GRPC_PORT: String(grpc),
      RONDO_LOG_LEVEL: 'warn',
      RONDO_RATE_LIMIT: '1000000',
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  // Its greetings are not our progress; where it cannot start, they say why
  let said = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    said = (said + chunk).slice(-4000)
  })
  const url = `http://127.0.0.1:${http}`
  try {
    await eventually(async () => (await fetch(`${url}${ready ? '/readyz' : '/healthz'}`)).ok, { within: 60_000, every: 20 })
  } catch (error) {
    child.kill('SIGKILL')
    throw new Error(`${main} did not start: ${error instanceof Error ? error.message : error}\n${said}`, { cause: error })
  }
  return {
    http: url,
    startedMs: performance.now() - begin,
    memory: () => statOf(child).memory,
    cpu: () => statOf(child).cpu,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGTERM')
      await once(child, 'exit')
    },
  }
}
