import { builds } from '@rondo/builds'
import { type Bus, kafkaBus } from '@rondo/bus'
import { intakeTopic, topicOf, topicOfFact } from '@rondo/contracts/cloudevents'
import { feedback } from '@rondo/feedback'
import { gateway } from '@rondo/gateway'
import { operations } from '@rondo/operations'
import { releases } from '@rondo/releases'
import { requirements } from '@rondo/requirements'
import type { Service } from '@rondo/runtime'
import { eventually } from '@rondo/testkit/eventually'
import { asked } from './backends.ts'
import type { Stage } from './stage.ts'

export const services: readonly Service[] = [requirements, builds, releases, operations, feedback, gateway]

/** The topics that a service reads, as its tables say. */
export function topicsRead({ name, reactions, views = [] }: Service): readonly string[] {
  const facts = [
    ...reactions.map(({ fact }) => fact),
    ...views.flatMap(({ on }) => on.map(({ fact }) => fact)).filter(({ base }) => !base.startsWith(`rondo.${name}.`)),
  ]
  return [...new Set(facts.map(({ base }) => topicOfFact(base)))].sort()
}

/** Where a partition of a topic ends, and by which name a reader knows it. */
interface End {
  readonly source: string
  readonly position: number
}

interface Head {
  readonly position: number
  readonly relayed: number
  readonly ends: readonly End[]
}

async function headOf(database: string, brokers: readonly string[], name: string): Promise<Head> {
  const [row] = await asked<{ tails: string[]; position: string; epoch: number; relayed: string }>(
    database,
    `select tails, position, epoch, (select coalesce(min(position), 0) from ${name}.relay) as relayed from ${name}.head`,
  )
  const { tails = [], position, epoch = 1, relayed } = row ?? {}
  const topic = topicOf(name)
  // After a restore the records of two histories lie there: which of them the last one is of, only the topic tells
  const ends = epoch > 1 ? await sentEnds(brokers, topic) : tails.map((tail) => ({ source: `${topic}#1`, position: Number(tail) }))
  return { position: Number(position), relayed: Number(relayed), ends }
}

/** What keeps work from being at its end, a line each. */
async function waiting(database: string, brokers: readonly string[]): Promise<readonly string[]> {
  const heads = new Map(await Promise.all(services.map(async ({ name }) => [name, await headOf(database, brokers, name)] as const)))
  const intake = await intakeEnds(brokers)
  const relays = [...heads].flatMap(([name, { position, relayed }]) =>
    position === relayed ? [] : [`${name} has ${position - relayed} events that Kafka does not have`],
  )
  const lags = await Promise.all(
    services.map(async (service) => {
      const rows = await asked<{ source: string; partition: number; position: string }>(
        database,
        `select source, partition, position from ${service.name}.checkpoint`,
      )
      return topicsRead(service).flatMap((topic) => {
        const ends = topic === intakeTopic ? intake : (heads.get(topic.split('.')[1] ?? '')?.ends ?? [])
        return ends.flatMap(({ source, position }, partition) => {
          const found = rows.filter((row) => row.partition === partition && row.source.startsWith(source))
          const read = Math.max(0, ...found.map((row) => Number(row.position)))
          return read >= position ? [] : [`${service.name} has read ${topic}/${partition} up to ${read} of ${position}`]
        })
      })
    }),
  )
  return [...relays, ...lags.flat()]
}

const withBus = async <Result>(brokers: readonly string[], work: (bus: Bus) => Promise<Result>): Promise<Result> => {
  const bus = kafkaBus({ brokers, clientId: 'chaos' })
  try {
    return await work(bus)
  } finally {
    await bus.close()
  }
}

const sentEnds = (brokers: readonly string[], topic: string): Promise<readonly End[]> =>
  withBus(brokers, async (bus) => {
    const tails = (await bus.bounds(topic)).map(({ partition }) => bus.last(topic, partition, 1))
    return (await Promise.all(tails)).map(([tail]) => ({
      source: `${topic}#${tail?.headers.ce_epoch ?? 1}`,
      position: Number(tail?.headers.ce_position ?? 0),
    }))
  })

const intakeEnds = (brokers: readonly string[]): Promise<readonly End[]> =>
  withBus(brokers, async (bus) => (await bus.bounds(intakeTopic)).map(({ next }) => ({ source: intakeTopic, position: Number(next) })))

/** How many events of intake the last one of those that read all of them has still to read. */
export async function intakeBehind(database: string, brokers: readonly string[]): Promise<number> {
  const ends = (await intakeEnds(brokers)).reduce((sum, { position }) => sum + position, 0)
  const read = ['gateway', 'operations'].map(async (name) => {
    const [row] = await asked<{ read: string | null }>(
      database,
      `select sum(position) as read from ${name}.checkpoint where source like '${intakeTopic}%'`,
    )
    return ends - Number(row?.read ?? 0)
  })
  return Math.max(...(await Promise.all(read)))
}

type Drained = Pick<Stage, 'database' | 'engines' | 'timeline'>

/** Until nothing is under way any more; what is left after so many milliseconds, a line each (nothing: all is done). */
export async function drained({ database, engines, timeline }: Drained, within: number): Promise<readonly string[]> {
  let left: readonly string[] = []
  let quiet = 0
  try {
    await eventually(
      async () => {
        left = await waiting(database, engines.addresses.kafka)
        timeline.note(`${left.length} are not at their end${left[0] ? `: ${left[0]}` : ''}`)
        quiet = left.length === 0 ? quiet + 1 : 0
        // Twice: what was read last may have made new work
        return quiet >= 2
      },
      { within, every: 700 },
    )
    return []
  } catch (error) {
    return left.length > 0 ? left : [error instanceof Error ? error.message : String(error)]
  }
}
