import { setTimeout as pause } from 'node:timers/promises'
import kafkajs from 'kafkajs'

/**
 * Another program in a group of ours: it joins, takes partitions and leaves them as they are, and goes; a line each time. In a process of
 * its own, since kafkajs's consumer never ends, and lets nothing else of its process go on, where it is stopped at the moment at which
 * the brokers that it knows change (consumer/fetchManager.js: the new fetchers do not hear that they were to end).
 */
const [group, ...brokers] = process.argv.slice(2)
if (!group || brokers.length === 0) throw new RangeError('stranger.ts GROUP BROKER...')
const rounds = 3
const kafka = new kafkajs.Kafka({ brokers, clientId: 'storm', logLevel: kafkajs.logLevel.NOTHING })
for (let round = 0; round < rounds; round += 1) {
  const settings = { groupId: group, sessionTimeout: 10_000, rebalanceTimeout: 10_000 }
  // The client would else come back by itself after it was disconnected, and keep its partitions from everybody
  const consumer = kafka.consumer({ ...settings, retry: { retries: 3, restartOnFailure: async () => false } })
  try {
    await consumer.connect()
    await consumer.subscribe({ topics: ['rondo.intake.v1'] })
    await consumer.run({ autoCommit: false, eachBatchAutoResolve: false, eachBatch: () => pause(300) })
    await pause(1000 + Math.random() * 1000)
    process.stdout.write('joined\n')
  } catch (error) {
    process.stderr.write(`could not join ${group}: ${error instanceof Error ? error.message : String(error)}\n`)
  } finally {
    await consumer.disconnect()
  }
}
