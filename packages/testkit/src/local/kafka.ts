import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { cp, mkdir, rename, rm } from 'node:fs/promises'
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

interface Node {
  readonly id: number
  readonly port: number
  readonly controller: number
  /** Where clients are told to find it, if elsewhere (behind a proxy); brokers then talk to each other by a listener of their own. */
  readonly advertised?: { readonly port: number; readonly internal: number } | undefined
}

function listeners({ port, controller, advertised }: Node): Readonly<Record<string, string>> {
  const own = [`PLAINTEXT://127.0.0.1:${port}`, ...(advertised ? [`INTERNAL://127.0.0.1:${advertised.internal}`] : [])]
  const told = [`PLAINTEXT://127.0.0.1:${advertised?.port ?? port}`, ...own.slice(1)]
  return {
    listeners: [...own, `CONTROLLER://127.0.0.1:${controller}`].join(),
    'advertised.listeners': told.join(),
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,INTERNAL:PLAINTEXT,PLAINTEXT:PLAINTEXT',
    'inter.broker.listener.name': advertised ? 'INTERNAL' : 'PLAINTEXT',
  }
}

/** Where a record lies on all but the smallest number of nodes, the death of one loses nothing and stops nothing. */
const copiesOf = (nodes: readonly Node[]) => ({ all: Math.min(3, nodes.length), least: nodes.length >= 3 ? 2 : 1 })

function properties(data: string, node: Node, nodes: readonly Node[]): string {
  const { all, least } = copiesOf(nodes)
  return Object.entries({
    'process.roles': 'broker,controller',
    'node.id': node.id,
    'controller.quorum.voters': nodes.map(({ id, controller }) => `${id}@127.0.0.1:${controller}`).join(),
    ...listeners(node),
    'log.dirs': data,
    'auto.create.topics.enable': false,
    'default.replication.factor': all,
    'min.insync.replicas': least,
    'offsets.topic.replication.factor': all,
    'offsets.topic.num.partitions': 4,
    'transaction.state.log.replication.factor': all,
    'transaction.state.log.min.isr': least,
    'transaction.state.log.num.partitions': 4,
    'share.coordinator.state.topic.replication.factor': all,
    'share.coordinator.state.topic.min.isr': least,
    'group.initial.rebalance.delay.ms': 0,
    // Another one leads where a broker was killed after four seconds, and not nine; a busy machine keeps up with that
    'broker.session.timeout.ms': 4000,
    'broker.heartbeat.interval.ms': 800,
    'log.cleaner.dedupe.buffer.size': 16777216,
    'log.retention.check.interval.ms': 1000,
  })
    .map(([key, value]) => `${key}=${value}\n`)
    .join('')
}

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

const quick = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC']
const brief = ['-Xms64m', '-Xmx256m', ...quick]
/** As Kafka's own script starts a broker. */
const usual = ['-Xms1G', '-Xmx1G', '-XX:+UseG1GC', '-XX:MaxGCPauseMillis=20', '-XX:InitiatingHeapOccupancyPercent=35']

interface Broker {
  readonly node: Node
  /** All of the cluster. */
  readonly nodes: readonly Node[]
  readonly sharing: readonly string[]
  readonly lasting?: boolean | undefined
  readonly mount?: Mount | undefined
}

/** Puts something of its own under the folder of the nth node's data. */
type Mount = (folder: string, node: number) => Promise<void>

/** What a node's data begin with. Another JVM makes it: once for each node's id, not once for each broker. */
const formatted = (folder: string, id: number): Promise<string> =>
  cached(`kafka-${version}-node-${id}`, async (draft) => {
    const config = join(draft, 'server.properties')
    const node: Node = { id, port: 9092, controller: 9093 }
    writeFileSync(config, properties(join(draft, 'data'), node, [node]))
    const tool = ['kafka.tools.StorageTool', 'format', '-t', 'cm9uZG8tdGVzdGtpdC0wMQ', '-c', config]
    await run(needed('java', 'run Kafka'), [...quick, '-cp', classPath(folder), ...tool], { cwd: draft })
  })

async function programOf(runFolder: string, folder: string, { node, nodes, sharing, lasting, mount }: Broker): Promise<Program> {
  const java = needed('java', 'run Kafka')
  const cwd = join(runFolder, `kafka-${node.port}`)
  const config = join(cwd, 'server.properties')
  const disk = join(cwd, 'disk')
  mkdirSync(disk, { recursive: true })
  await mount?.(disk, nodes.indexOf(node))
  writeFileSync(config, properties(join(disk, 'data'), node, nodes))
  await cp(join(await formatted(folder, node.id), 'data'), join(disk, 'data'), { recursive: true })
  return {
    name: 'kafka',
    runFolder,
    command: java,
    args: [...(lasting ? usual : brief), ...sharing, '-cp', classPath(folder), 'kafka.Kafka', config],
    cwd,
    address: `127.0.0.1:${node.port}`,
    stopSignal: 'SIGTERM',
    startWithin: 60_000,
    answers: async () => {
      await kafkaAnswers(`127.0.0.1:${node.port}`)
      return version
    },
  }
}

async function freeNodes(count: number, advertised: readonly number[]): Promise<readonly Node[]> {
  const ports = await freePorts(3 * count)
  return Array.from({ length: count }, (_, index) => {
    const [port = 0, controller = 0, internal = 0] = ports.slice(3 * index)
    const told = advertised[index]
    return { id: index + 1, port, controller, ...(told === undefined ? {} : { advertised: { port: told, internal } }) }
  })
}

/** Written once by a broker that starts and stops; with it a start takes 3 to 5 s in place of 9. */
async function classArchive(runFolder: string, folder: string): Promise<string> {
  const path = join(folder, archive)
  if (existsSync(path)) return path
  return alone(`kafka-${version}-archive`, async () => {
    if (existsSync(path)) return path
    const draft = join(folder, `${archive}.draft`)
    await rm(draft, { force: true })
    const nodes = await freeNodes(1, [])
    const [node] = nodes
    if (node === undefined) throw new Error('a cluster without a node')
    const teacher = await controlled(await programOf(runFolder, folder, { node, nodes, sharing: [`-XX:ArchiveClassesAtExit=${draft}`] }))
    await teacher.stop()
    await rename(draft, path)
    return path
  })
}

export interface Nodes {
  /** Ports at which clients are told to find them. */
  readonly advertised?: readonly number[]
  readonly mount?: Mount | undefined
  /** Worth compiling well: for a load. A test's broker is done before that pays, and starts with half the processor time without. */
  readonly lasting?: boolean
}

/**
 * Nodes that are broker and controller in one, each a process that may be killed; from three on, topics have three copies, two at least in
 * sync.
 */
export async function launchKafkaNodes(
  runFolder: string,
  count: number,
  { advertised = [], mount, lasting }: Nodes = {},
): Promise<readonly Controlled[]> {
  const folder = await jars()
  await mkdir(runFolder, { recursive: true })
  const sharing = [`-XX:SharedArchiveFile=${await classArchive(runFolder, folder)}`, '-Xshare:auto']
  const nodes = await freeNodes(count, advertised)
  const programs = await Promise.all(nodes.map((node) => programOf(runFolder, folder, { node, nodes, sharing, mount, lasting })))
  const started = await Promise.allSettled(programs.map(controlled))
  const failed = started.find((one) => one.status === 'rejected')
  const running = started.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  if (failed === undefined) return running
  await Promise.all(running.map((one) => one.kill()))
  throw failed.reason
}

/** A Kafka of its own (one node) on free ports. */
export async function launchKafka(runFolder: string, options: Pick<Nodes, 'lasting'> = {}): Promise<Controlled> {
  const [node] = await launchKafkaNodes(runFolder, 1, options)
  if (node === undefined) throw new Error('a cluster without a node')
  return node
}
