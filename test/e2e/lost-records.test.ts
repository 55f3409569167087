import { eventually, freshDatabase, needs, ownEngine, sharedMissing } from '@rondo/testkit'
import { expect, test } from 'vitest'
import { command } from '../cli/command.ts'
import { caseOf, step } from '../rig/case.ts'
import { type Processes, type ServiceName, startProcesses } from '../rig/processes.ts'
import { Ledgers } from './ledgers.ts'
import { emptied } from './topics.ts'

needs('postgres18', 'kafka', { also: sharedMissing('cases') })
/** Milliseconds; beside other tests on a small machine. */
const patience = 120_000

/** A consumer that stands still: what is told of it, by the same words everywhere. */
interface Paused {
  readonly topic: string
  readonly partition: number
  readonly reason: string
}

const readyz = async (url: string) =>
  (await fetch(`${url}/readyz`)).json() as Promise<{ ready: boolean; components: { name: string; ready: boolean; cause?: string }[] }>

/** What `rondo status` says of a service that does not read on. */
async function pausedAt(rondo: Processes, service: ServiceName, count: (paused: readonly Paused[]) => boolean): Promise<readonly Paused[]> {
  return eventually(
    async () => {
      const { exit, out } = await command(rondo, ['status', '--json'])
      const told = JSON.parse(out) as { services: { service: string; paused_partitions: Paused[] }[] }
      const paused = told.services.find((one) => one.service === service)?.paused_partitions ?? []
      return exit !== 0 && count(paused) && paused
    },
    { within: 20_000, every: 250 },
  )
}

/** The command that a message names, as somebody would copy it. */
const commandIn = (reason: string): readonly string[] => {
  const [, words = ''] = /"rondo (.*)" closes the gap/.exec(reason) ?? []
  return [...words.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare ?? '')
}

const isReady = (url: string) => eventually(async () => (await readyz(url)).ready, { within: 45_000, every: 250 })

async function withKafka(work: (rondo: Processes, ledgers: Ledgers, kafka: string) => Promise<void>): Promise<void> {
  const kafka = await ownEngine('kafka')
  const database = await freshDatabase()
  const rondo = await startProcesses({ RONDO_DATABASE_URL: database, RONDO_KAFKA_BROKERS: kafka.address })
  const ledgers = new Ledgers(database)
  try {
    await work(rondo, ledgers, kafka.address)
  } catch (error) {
    for (const line of rondo.log.filter((one) => /"level":"(warn|error)"/.test(one)).slice(-20)) console.log(line)
    throw error
  } finally {
    await ledgers.close()
    await rondo.end()
    await kafka.stop()
  }
}

/** Of the case: the catalog, four alerts, the question at the end. */
function steps31() {
  const { steps } = caseOf('31-kafka-offset-out-of-range')
  const [catalog] = steps
  const alerts = steps.filter(({ do: what }) => what.includes('alertmanager'))
  const list = steps.find(({ do: what }) => what.includes('Requirements/List'))
  if (!catalog || alerts.length !== 4 || !list) throw new Error('the case has other steps')
  // Each stuck queue is a problem of its own: else all four are one, and one requirement
  const telling = { ...catalog, body: { ...(catalog.body as object), problem_labels: ['queue'] } }
  return { catalog: telling, alerts, list: { ...list, do: 'rpc rondo.requirements.v1.Requirements/ListRequirements' } }
}

/** Everybody names the same: the service itself, the edge, the command line. Returns the commands. */
async function namedEverywhere(rondo: Processes, service: ServiceName, topic: string): Promise<readonly (readonly string[])[]> {
  const paused = await pausedAt(rondo, service, (all) => all.length > 0 && all.every(({ reason }) => reason.includes('closes the gap')))
  for (const one of paused) {
    expect(one.topic).toBe(topic)
    expect(one.reason).toMatch(
      new RegExp(
        `${topic}/${one.partition}: .*read (yet|up to (position|offset) \\d+), the first .* is \\d+.*--partition ${one.partition} .*closes the gap$`,
      ),
    )
  }
  const own = await readyz(rondo.one(service).url)
  expect(own.ready).toBe(false)
  expect(own.components.find(({ name }) => name === `${service}/consumer`)?.cause).toMatch(
    new RegExp(`^${topic}/\\d+ stands still: .*closes the gap`),
  )
  const edge = await readyz(rondo.url)
  expect(edge.ready).toBe(false)
  expect(edge.components.find(({ name }) => name === `${service}/process`)?.cause).toContain(`${service}/consumer: ${topic}/`)
  return paused.map(({ reason }) => commandIn(reason))
}

test(
  '31-kafka-offset-out-of-range: what was deleted unread is missed aloud, and comes back by the command that is named',
  () =>
    withKafka(async (rondo, ledgers, kafka) => {
      const { catalog, alerts, list } = steps31()
      expect((await step(rondo, catalog)).status).toBe(200)
      await ledgers.settled()
      const requirements = rondo.one('requirements')
      await requirements.kill()
      for (const alert of alerts.slice(0, 3)) expect((await step(rondo, alert)).status).toBe(202)
      await ledgers.settled()
      await emptied(kafka, 'rondo.operations.v1')
      for (const alert of alerts.slice(3)) expect((await step(rondo, alert)).status).toBe(202)
      await ledgers.settled()
      await requirements.start({ ready: false })

      for (const words of await namedEverywhere(rondo, 'requirements', 'rondo.operations.v1')) {
        expect(words.slice(0, 2)).toEqual(['replay', 'operations'])
        expect(await command(rondo, words)).toMatchObject({ exit: 0 })
      }
      await isReady(requirements.url)
      await isReady(rondo.url)
      expect(await command(rondo, ['status'])).toMatchObject({ exit: 0 })
      const found = await eventually(
        async () => {
          const { body } = await step(rondo, list)
          return body.requirements?.length >= 4 && body.requirements
        },
        { within: 20_000 },
      )
      expect(found).toHaveLength(4)
      await ledgers.settled()
      expect((await step(rondo, list)).body.requirements).toHaveLength(4)
    }),
  patience,
)

test(
  '31, of intake: what was deleted unread cannot come back, and an operator says so',
  () =>
    withKafka(async (rondo, ledgers, kafka) => {
      const { catalog, alerts, list } = steps31()
      expect((await step(rondo, catalog)).status).toBe(200)
      await ledgers.settled()
      const operations = rondo.one('operations')
      await operations.kill()
      for (const alert of alerts.slice(0, 3)) expect((await step(rondo, alert)).status).toBe(202)
      await ledgers.settled()
      await emptied(kafka, 'rondo.intake.v1')
      await operations.start({ ready: false })

      const commands = await namedEverywhere(rondo, 'operations', 'rondo.intake.v1')
      const why = 'the retention was a minute by mistake'
      for (const words of commands) {
        expect(words.slice(0, 3)).toEqual(['gap', 'accept', 'operations'])
        expect(
          await command(
            rondo,
            words.map((word) => (word === '<why>' ? why : word)),
          ),
        ).toMatchObject({ exit: 0 })
      }
      await isReady(rondo.url)
      expect(await ledgers.acceptedGaps('operations')).toEqual(commands.map(() => ({ actor: 'person:admin', why })))
      // Their senders send again, and all is as it would have been
      for (const alert of alerts) expect((await step(rondo, alert)).status).toBe(202)
      await eventually(async () => (await step(rondo, list)).body.requirements?.length === 4, { within: 20_000 })
      const [first] = commands
      expect(await command(rondo, first ?? [])).toMatchObject({ exit: 3 })
    }),
  patience,
)
