import { eventually, needs, ownEngine } from '@rondo/testkit'
import { type BusHarness, busConformance } from '../conformance.ts'
import { kafkaBus } from './bus.ts'
import { createClient, kafkajs } from './client.ts'

async function createHarness(): Promise<BusHarness> {
  // Of its own: it is stopped in mid-suite.
  const engine = await ownEngine('kafka')
  const connection = { brokers: [engine.address], clientId: 'rondo-test' }
  const admin = createClient(connection, () => undefined).admin()
  await admin.connect()
  return {
    open: async () => kafkaBus({ ...connection, pace: { retryFirst: 50, retryMost: 500, watch: 100 } }),
    deleteRecords: async (topic, partition, before) => {
      await admin.fetchTopicOffsets(topic) // the client looks for the partition's leader before it has asked who it is
      await admin.deleteTopicRecords({ topic, partitions: [{ partition, offset: String(before) }] })
    },
    recreate: async ({ name, partitions }) => {
      await admin.deleteTopics({ topics: [name] })
      // Deletion goes on for a moment after it was acknowledged. Waiting for leaders here could fail after the topic was made, and then for ever.
      await eventually(() => admin.createTopics({ topics: [{ topic: name, numPartitions: partitions }], waitForLeaders: false }), {
        within: 20_000,
      })
    },
    limit: async (name, bytes) => {
      const configEntries = [{ name: 'max.message.bytes', value: String(bytes) }]
      await admin.alterConfigs({ validateOnly: false, resources: [{ type: kafkajs().ConfigResourceTypes.TOPIC, name, configEntries }] })
    },
    disturb: async () => {
      await engine.stop()
      await engine.start()
    },
    close: async () => {
      await admin.disconnect()
      await engine.stop()
    },
  }
}

busConformance('Kafka', createHarness, needs('kafka'))
