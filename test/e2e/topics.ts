import kafkajs from 'kafkajs'

/** Work at a Kafka as its administrator. */
async function administered<Value>(brokers: string, work: (admin: kafkajs.Admin) => Promise<Value>): Promise<Value> {
  const kafka = new kafkajs.Kafka({ brokers: [brokers], clientId: 'administrator', logLevel: kafkajs.logLevel.NOTHING })
  const admin = kafka.admin()
  await admin.connect()
  try {
    return await work(admin)
  } finally {
    await admin.disconnect()
  }
}

/** Sets one value of these topics. */
export const configure = (brokers: string, topics: readonly string[], name: string, value: string): Promise<void> =>
  administered(brokers, async (admin) => {
    const resources = topics.map((topic) => ({
      type: kafkajs.ConfigResourceTypes.TOPIC,
      name: topic,
      configEntries: [{ name, value }],
    }))
    await admin.alterConfigs({ validateOnly: false, resources })
  })

/** Deletes what a topic holds, as a retention that was too short would. */
export const emptied = (brokers: string, topic: string): Promise<void> =>
  administered(brokers, async (admin) => {
    const ends = await admin.fetchTopicOffsets(topic)
    const partitions = ends.filter(({ low, high }) => low !== high).map(({ partition, high }) => ({ partition, offset: high }))
    await admin.deleteTopicRecords({ topic, partitions })
  })

/** How many records a topic holds. */
export const held = (brokers: string, topic: string): Promise<number> =>
  administered(brokers, async (admin) => {
    const ends = await admin.fetchTopicOffsets(topic)
    return ends.reduce((sum, { low, high }) => sum + Number(BigInt(high) - BigInt(low)), 0)
  })
