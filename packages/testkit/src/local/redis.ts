import { mkdirSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { alone, cached } from '../cache.ts'
import { controlled } from '../child.ts'
import { aptInstall, onPath, run } from '../command.ts'
import type { Controlled } from '../engine.ts'
import { freePorts } from '../port.ts'

const jar = { artifact: 'com.github.codemonstur:embedded-redis', version: '1.4.3' }

/** Without root: a Maven artifact that carries the binary. */
async function fromMaven(reason: string): Promise<string> {
  const mvn = onPath('mvn')
  const python = onPath('python3')
  if (mvn === undefined || python === undefined || process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Error(`no redis-server on PATH, ${reason}, and no mvn and python3 to take it out of ${jar.artifact}`)
  }
  const folder = await cached(`redis-${jar.version}`, async (draft) => {
    await run(mvn, ['-q', '-B', 'dependency:copy', `-Dartifact=${jar.artifact}:${jar.version}`, `-DoutputDirectory=${draft}`])
    await run(python, ['-m', 'zipfile', '-e', join(draft, `embedded-redis-${jar.version}.jar`), draft])
    await run('sh', ['-c', 'set -- redis-server-*linux-amd64; test -f "$1"; cp "$1" redis-server; chmod 755 redis-server'], { cwd: draft })
  })
  return join(folder, 'redis-server')
}

async function redisServer(): Promise<string> {
  const found = onPath('redis-server')
  if (found !== undefined) return found
  const reason = await alone('apt', () => aptInstall('redis-server'))
  return onPath('redis-server') ?? fromMaven(reason ?? 'apt-get brought none')
}

/** Asks one thing in Redis's own protocol, so that the kit needs no client of it. */
export function askRedis(url: string, command: string): Promise<string> {
  const { hostname, port, password } = new URL(url)
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port || 6379) })
    socket.setTimeout(2000, () => socket.destroy(new Error('no answer')))
    let heard = ''
    socket.once('error', reject)
    socket.on('data', (data) => {
      heard += data.toString()
    })
    socket.once('close', () => (heard.includes('-ERR') || heard === '' ? reject(new Error(heard || 'no answer')) : resolve(heard)))
    socket.write(`${password ? `AUTH ${decodeURIComponent(password)}\r\n` : ''}${command}\r\nQUIT\r\n`)
  })
}

export const redisVersion = async (url: string): Promise<string> => {
  const version = /redis_version:(\S+)/.exec(await askRedis(url, 'INFO server'))?.[1]
  if (version === undefined) throw new Error('it answers, but not as Redis')
  return version
}

/** A Redis of its own on a free port, nothing persisted. */
export async function launchRedis(runFolder: string): Promise<Controlled> {
  const command = await redisServer()
  const [port] = await freePorts(1)
  const cwd = join(runFolder, `redis-${port}`)
  mkdirSync(cwd)
  const address = `redis://127.0.0.1:${port}`
  return controlled({
    name: 'redis',
    runFolder,
    command,
    cwd,
    address,
    stopSignal: 'SIGTERM',
    startWithin: 10_000,
    answers: () => redisVersion(address),
    args: [`--port ${port}`, '--bind 127.0.0.1', `--dir ${cwd}`, '--appendonly no', '--set-proc-title no', '--save']
      .flatMap((argument) => argument.split(' '))
      .concat(''),
  })
}
