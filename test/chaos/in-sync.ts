import { eventually } from '@rondo/testkit/eventually'
import kafkajs from 'kafkajs'
import type { Stage } from './stage.ts'

/** Milliseconds; a broker that was killed is known as dead after four seconds, and comes back after that. */
const within = 20_000

/** Until each copy of each partition is in sync again, as far as that comes about. */
export async function inSync({ engines, timeline }: Pick<Stage, 'engines' | 'timeline'>): Promise<void> {
  const { brokers, addresses } = engines
  const kafka = new kafkajs.Kafka({ brokers: [...addresses.kafka], clientId: 'chaos', logLevel: kafkajs.logLevel.NOTHING })
  const admin = kafka.admin()
  const whole = async () => {
    const { topics } = await admin.fetchTopicMetadata()
    return topics.every(({ partitions }) => partitions.every(({ isr }) => isr.length === brokers.length))
  }
  try {
    await admin.connect()
    await eventually(whole, { within, every: 250 })
  } catch {
    timeline.note('not every copy is in sync') // others fell meanwhile, or the network is cut: the next kill finds who waits
  } finally {
    await admin.disconnect()
  }
}
