import { eventually, freshDatabase, needs, ownEngine, sharedMissing } from '@rondo/testkit'
import { expect, test } from 'vitest'
import { type Processes, type ServiceName, services, startProcesses } from '../rig/processes.ts'
import { startRondo } from '../rig/rondo.ts'
import { firstOccurrences, Ledgers } from './ledgers.ts'
import { alertsEach, noise, prepareLoad, sendLoad } from './load.ts'
import { Story } from './story.ts'

const engines = needs('postgres18', 'kafka', { also: sharedMissing('corpus') })
const loads = 4

/** Does a step of the story, beside a load that gives everybody work, while the victims are killed and started again. */
type During = (step: () => Promise<void>, ...victims: readonly ServiceName[]) => Promise<void>

async function told(story: Story, during: During): Promise<void> {
  await story.catalog()
  await prepareLoad(story)
  await during(() => story.failures(), 'gateway', 'requirements')
  await story.requirementReady()
  await during(() => story.code(), 'builds')
  const release = await story.approved()
  await during(() => story.deployed(), 'releases')
  await story.handedOver(release)
  await during(() => story.quiet(), 'operations', 'feedback')
  await story.verified()
}

/** What changes from run to run and means nothing: ids and times. */
function comparable(value: unknown, { requirement }: Story): unknown {
  const text = JSON.stringify(value)
    .replaceAll(requirement, '<requirement>')
    .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, '<time>')
    .replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, '<uuid>')
    .replaceAll(/alert:[0-9a-f]{16}/g, '<alert>')
    .replaceAll(/\b([A-Z]{2,5})-(?:[0-9A-F]{8}|[0-9A-F]{12})\b/g, '<$1>')
  return JSON.parse(text)
}

/** How many problems of the load became requirements. */
async function noiseOf(story: Story): Promise<number> {
  const { requirements, next_page_token } = await story.ask('barbara', 'rondo.requirements.v1.Requirements/ListRequirements', {
    service: noise,
    page_size: 500,
  })
  expect(next_page_token).toBe('')
  return requirements.length
}

interface Place {
  readonly rondo: Processes
  readonly ledgers: Ledgers
  readonly story: Story
}

async function staged(env: Readonly<Record<string, string>>, work: (place: Place) => Promise<void>): Promise<void> {
  const database = await freshDatabase()
  const rondo = await startProcesses({ RONDO_DATABASE_URL: database, ...env })
  const ledgers = new Ledgers(database)
  try {
    await work({ rondo, ledgers, story: new Story(rondo) })
  } catch (error) {
    for (const line of rondo.log.filter((one) => /"level":"(warn|error)"/.test(one)).slice(-20)) console.log(line)
    throw error
  } finally {
    await ledgers.close()
    await rondo.end()
  }
}

/** It has begun to read the load and is not done: then it is killed, and starts again. Returns how far it had read. */
async function killedAtWork({ rondo, ledgers }: Place, name: ServiceName, before: number): Promise<number> {
  const one = rondo.one(name)
  await eventually(async () => (await ledgers.read(name)) >= before + 3, { within: 45_000, every: 5 })
  await one.kill()
  const read = await ledgers.read(name)
  await one.start()
  return read
}

async function disturbed(place: Place): Promise<ReadonlyMap<ServiceName, number>> {
  const killedAt = new Map<ServiceName, number>()
  let load = 0
  await told(place.story, async (step, ...victims) => {
    load += 1
    const before = await Promise.all(victims.map((name) => place.ledgers.read(name)))
    const kills = victims.map(async (name, index) => killedAt.set(name, await killedAtWork(place, name, before[index] ?? 0)))
    await Promise.all([sendLoad(place.story, load), step(), ...kills])
  })
  return killedAt
}

/** The end of the same story where all runs in one process, and nobody is killed. */
async function undisturbed(): Promise<unknown> {
  const rondo = await startRondo()
  const story = new Story(rondo)
  let load = 0
  try {
    await told(story, async (step) => {
      load += 1
      await Promise.all([sendLoad(story, load), step()])
    })
    await rondo.settled()
    expect(story.retries).toBe(0)
    expect(await noiseOf(story)).toBe(loads * alertsEach)
    return comparable(await story.end(), story)
  } finally {
    await rondo.stop()
  }
}

let wanted: unknown
engines.beforeAll(async () => {
  wanted = await undisturbed()
})

async function same(place: Place, kafka: string | undefined): Promise<void> {
  const { story, ledgers } = place
  const killedAt = await disturbed(place)
  await ledgers.settled()
  expect([...killedAt.keys()].sort()).toEqual([...services].sort())
  for (const [name, read] of killedAt) expect(read, `${name} had work in flight`).toBeLessThan(await ledgers.read(name))
  expect(story.retries, 'somebody had to send again').toBeGreaterThan(0)

  expect(comparable(await story.end(), story)).toEqual(wanted)
  expect(await noiseOf(story)).toBe(loads * alertsEach)
  for (const name of services) {
    const events = await ledgers.events(name)
    expect(new Set(events.map(({ id }) => id)).size, `ids of ${name}`).toBe(events.length)
    expect(
      events.map(({ position }) => position),
      `positions of ${name}`,
    ).toEqual(events.map((_, index) => index + 1))
    const first = (await ledgers.topic(name, kafka)).map(firstOccurrences)
    for (const partition of first)
      expect(partition, `order of rondo.${name}.v1`).toEqual(partition.toSorted((a, b) => a.position - b.position))
    expect(
      first.flat().sort((a, b) => a.position - b.position),
      `the topic of ${name} has all of its ledger`,
    ).toEqual(events)
  }
}

/** Milliseconds: after a kill a group, or a relay's lease, waits ten seconds for who is gone. */
const patience = 240_000

test(
  'on Kafka, each service killed once at its work leaves the same end, and no event twice',
  async () => {
    const kafka = await ownEngine('kafka')
    try {
      await staged({ RONDO_KAFKA_BROKERS: kafka.address }, (place) => same(place, kafka.address))
    } finally {
      await kafka.stop()
    }
  },
  patience,
)

test('so it does on the bus in PostgreSQL', () => staged({}, (place) => same(place, undefined)), patience)
