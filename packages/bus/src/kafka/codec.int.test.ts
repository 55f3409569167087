import { eventually, kafka, needs } from '@rondo/testkit'
import { describe, expect, test } from 'vitest'
import { newTopic, numbered } from '../conformance/stage.ts'
import { kafkaBus } from './bus.ts'
import { createClient, kafkajs } from './client.ts'

needs('kafka')

describe.each(['gzip', 'snappy', 'lz4', 'zstd'])('records that the broker compresses with %s', (codec) => {
  test('are read by who asks for the last ones, and by consumers', async () => {
    const connection = { brokers: kafka().split(','), clientId: 'rondo-test' }
    const topic = newTopic()
    const bus = kafkaBus(connection)
    await bus.ensure([{ name: topic, partitions: 1 }])
    const admin = createClient(connection, () => undefined).admin()
    await admin.connect()
    // The broker writes every batch anew in this codec (its Java libraries: the same bytes as a Java producer's).
    const configEntries = [{ name: 'compression.type', value: codec }]
    await admin.alterConfigs({
      validateOnly: false,
      resources: [{ type: kafkajs().ConfigResourceTypes.TOPIC, name: topic, configEntries }],
    })
    await admin.disconnect()

    const records = numbered(0, 200, 0).map((record) => ({ ...record, value: Buffer.from(`${record.key} `.repeat(300)) }))
    await bus.send(topic, records)
    expect(await bus.last(topic, 0, 1)).toMatchObject([{ key: 'k199', offset: 199n }])
    const seen: string[] = []
    const errors: string[] = []
    await bus.consume({
      group: newTopic(),
      topics: [topic],
      start: async () => 50n,
      handle: async (batch) => {
        seen.push(...[...batch].map(({ value }) => Buffer.from(value ?? []).toString()))
      },
      onError: (error) => errors.push(error.message),
    })
    await eventually(() => seen.length === 150 || errors.length > 0, { within: 20_000 })
    await bus.close()
    expect(errors).toEqual([])
    expect(seen).toEqual(records.slice(50).map(({ value }) => value.toString()))
  })
})
