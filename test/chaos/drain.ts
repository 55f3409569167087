import { builds } from '@rondo/builds'
import { kafkaBus } from '@rondo/bus'
import { intakeTopic, topicOfFact } from '@rondo/contracts/cloudevents'
import { feedback } from '@rondo/feedback'
import { gateway } from '@rondo/gateway'
import { operations } from '@rondo/operations'
import { releases } from '@rondo/releases'
import { requirements } from '@rondo/requirements'
import type { Service } from '@rondo/runtime'
import { eventually } from '@rondo/testkit/eventually'
import { asked } from './backends.ts'

export const services: readonly Service[] = [requirements, builds, releases, operations, feedback, gateway]

/** The topics that a service reads, as its tables say. */
export function topicsRead({ name, reactions, views = [] }: Service): readonly string[] {
  const facts = [
    ...reactions.map(({ fact }) => fact),
    ...views.flatMap(({ on }) => on.map(({ fact }) => fact)).filter(({ base }) => !base.startsWith(`rondo.${name}.`)),
  ]
  return [...new Set(facts.map(({ base }) => topicOfFact(base)))].sort()
}

/** What keeps work from being at its end, a line each. */
async function waiting(database: string, brokers: readonly string[]): Promise<readonly string[]> {
  const heads = new Map(
    await Promise.all(
      services.map(async ({ name }) => {
        const [row] = await asked<{ tails: string[]; position: string; relayed: string }>(
          database,
          `select tails, position, (select coalesce(min(position), 0) from ${name}.relay) as relayed from ${name}.head`,
        )
        return [name, { tails: (row?.tails ?? []).map(Number), position: Number(row?.position), relayed: Number(row?.relayed) }] as const
      }),
    ),
  )
  const ends = await intakeEnds(brokers)
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
        const wanted = topic === intakeTopic ? ends : (heads.get(topic.split('.')[1] ?? '')?.tails ?? [])
        return wanted.flatMap((end, partition) => {
          const read = Math.max(
            0,
            ...rows
              .filter((row) => row.partition === partition && row.source.startsWith(`${topic}`))
              .map(({ position }) => Number(position)),
          )
          return read >= end ? [] : [`${service.name} has read ${topic}/${partition} up to ${read} of ${end}`]
        })
      })
    }),
  )
  return [...relays, ...lags.flat()]
}

async function intakeEnds(brokers: readonly string[]): Promise<readonly number[]> {
  const bus = kafkaBus({ brokers, clientId: 'chaos' })
  try {
    return (await bus.bounds(intakeTopic)).map(({ next }) => Number(next))
  } finally {
    await bus.close()
  }
}

/** Until nothing is under way any more; what is left after so many milliseconds, a line each (nothing: all is done). */
export async function drained(database: string, brokers: readonly string[], within: number): Promise<readonly string[]> {
  let left: readonly string[] = []
  let quiet = 0
  try {
    await eventually(
      async () => {
        left = await waiting(database, brokers)
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
