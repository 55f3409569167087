import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { alone, cached } from '../cache.ts'
import { controlled, type Program } from '../child.ts'
import { onPath, run } from '../command.ts'
import type { Controlled } from '../engine.ts'
import { freePorts } from '../port.ts'

const version = '4.4.0'
const archive = 'kafka.jsa'

const dependency = (group: string, artifact: string, number: string): string =>
  `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${number}</version></dependency>`

const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>rondo</groupId><artifactId>kafka-of-tests</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    ${dependency('org.apache.kafka', 'kafka_2.13', version)}
    ${dependency('org.apache.kafka', 'kafka-tools', version)}
    ${dependency('org.apache.logging.log4j', 'log4j-slf4j-impl', '2.25.5')}
  </dependencies>
</project>
`

function needed(program: 'java' | 'mvn', what: string): string {
  const path = onPath(program)
  if (path === undefined) throw new Error(`no ${program} on PATH to ${what}`)
  return path
}

const jars = (): Promise<string> =>
  cached(`kafka-${version}`, async (draft) => {
    const mvn = needed('mvn', `get Kafka ${version}`)
    writeFileSync(join(draft, 'pom.xml'), pom)
    const args = ['-q', '-B', 'dependency:copy-dependencies', '-DoutputDirectory=lib', '-DincludeScope=runtime']
    await run(mvn, args, { cwd: draft, within: 300_000 })
  })

/** The class path, sorted: the class-data archive holds only for the same order. */
const classPath = (folder: string): string =>
  readdirSync(join(folder, 'lib'))
    .sort()
    .map((jar) => join(folder, 'lib', jar))
    .join(':')

const properties = (data: string, port: number, controller: number): string =>
  Object.entries({
    'process.roles': 'broker,controller',
    'node.id': 1,
    'controller.quorum.voters': `1@127.0.0.1:${controller}`,
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controller}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}`,
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT',
    'log.dirs': data,
    'auto.create.topics.enable': false,
    'offsets.topic.replication.factor': 1,
    'offsets.topic.num.partitions': 4,
    'transaction.state.log.replication.factor': 1,
    'transaction.state.log.min.isr': 1,
    'transaction.state.log.num.partitions': 4,
    'share.coordinator.state.topic.replication.factor': 1,
    'share.coordinator.state.topic.min.isr': 1,
    'group.initial.rebalance.delay.ms': 0,
    'log.cleaner.dedupe.buffer.size': 16777216,
    'log.retention.check.interval.ms': 1000,
  })
    .map(([key, value]) => `${key}=${value}\n`)
    .join('')

/** Resolves when a broker answers the one question every Kafka since 0.10 knows (which requests it takes). */
export function kafkaAnswers(brokers: string): Promise<void> {
  const [host, port] = (brokers.split(',')[0] ?? '').split(':')
  const request = Buffer.from([0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 255, 255])
  return new Promise((resolve, reject) => {
    const socket = connect({ host: host || '127.0.0.1', port: Number(port || 9092) })
    socket.setTimeout(2000, () => socket.destroy(new Error('no answer')))
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('the connection was closed without an answer')))
    socket.once('data', () => {
      resolve()
      socket.destroy()
    })
    socket.write(request)
  })
}

const memory = ['-Xms64m', '-Xmx256m', '-XX:+UseG1GC']

async function programOf(runFolder: string, folder: string, sharing: readonly string[]): Promise<Program> {
  const java = needed('java', 'run Kafka')
  const [port = 0, controller = 0] = await freePorts(2)
  const cwd = join(runFolder, `kafka-${port}`)
  const config = join(cwd, 'server.properties')
  mkdirSync(cwd)
  writeFileSync(config, properties(join(cwd, 'data'), port, controller))
  const cp = classPath(folder)
  const quick = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC']
  await run(java, [...quick, '-cp', cp, 'kafka.tools.StorageTool', 'format', '-t', 'cm9uZG8tdGVzdGtpdC0wMQ', '-c', config], { cwd })
  return {
    name: 'kafka',
    runFolder,
    command: java,
    args: [...memory, ...sharing, '-cp', cp, 'kafka.Kafka', config],
    cwd,
    address: `127.0.0.1:${port}`,
    stopSignal: 'SIGTERM',
    startWithin: 60_000,
    answers: async () => {
      await kafkaAnswers(`127.0.0.1:${port}`)
      return version
    },
  }
}

/** Written once by a broker that starts and stops; with it a start takes 3 to 5 s in place of 9. */
async function classArchive(runFolder: string, folder: string): Promise<string> {
  const path = join(folder, archive)
  if (existsSync(path)) return path
  return alone(`kafka-${version}-archive`, async () => {
    if (existsSync(path)) return path
    const draft = join(folder, `${archive}.draft`)
    await rm(draft, { force: true })
    const teacher = await controlled(await programOf(runFolder, folder, [`-XX:ArchiveClassesAtExit=${draft}`]))
    await teacher.stop()
    await rename(draft, path)
    return path
  })
}

/** A Kafka of its own (one node) on free ports. */
export async function launchKafka(runFolder: string): Promise<Controlled> {
  const folder = await jars()
  await mkdir(runFolder, { recursive: true })
  const shared = await classArchive(runFolder, folder)
  return controlled(await programOf(runFolder, folder, [`-XX:SharedArchiveFile=${shared}`, '-Xshare:auto']))
}
