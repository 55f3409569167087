import { operations } from '@rondo/operations'
import { requirements } from '@rondo/requirements'
import { as, runServices, type ServicesRun } from '@rondo/runtime/rig'
import { eventually, freshDatabase, needs, ownEngine } from '@rondo/testkit'
import { expect, test } from 'vitest'
import { emptied, held } from './topics.ts'

needs('postgres18', 'kafka')

const topic = 'rondo.operations.v1'
const patience = { within: 90_000, every: 100 }

const put = (run: ServicesRun, service: string) =>
  run.channels.call('operations', 'rondo.operations.v1.Operations/PutService', { service, owner: 'team-late' }, as('admin'))
const consumerOf = async (run: ServicesRun) =>
  (await run.readiness()).components.find(({ name }) => name === 'requirements/consumer') ?? { ready: false, cause: '' }

test('a new consumer on a topic whose retention has passed stands still aloud, and the replay that it names brings it all', async () => {
  const kafka = await ownEngine('kafka')
  const env = { RONDO_DATABASE_URL: await freshDatabase(), RONDO_KAFKA_BROKERS: kafka.address }
  let run = await runServices([operations], { env })
  try {
    for (let n = 1; n <= 5; n += 1) await put(run, `service-${n}`)
    await eventually(async () => (await held(kafka.address, topic)) >= 5, patience)
    await emptied(kafka.address, topic)
    await run.stop()

    run = await runServices([operations, requirements], { env })
    for (let n = 6; n <= 40; n += 1) await put(run, `service-${n}`)
    const missed = /rondo replay operations --partition (\d+) --from (\d+)" closes the gap/
    const partitions = new Set<string>()
    await eventually(async () => {
      const { ready, cause = '' } = await consumerOf(run)
      const [, partition = '', from = ''] = missed.exec(cause) ?? []
      if (partition) {
        partitions.add(partition)
        const request = { service: 'operations', from_position: from, partition: Number(partition) }
        await run.channels.call('operations', 'rondo.ledger.v1.Ledger/Replay', request, as('admin'))
      }
      return partitions.size > 0 && ready
    }, patience)
    expect(await held(kafka.address, topic)).toBeGreaterThan(35)
  } finally {
    await run.stop()
    await kafka.stop()
  }
}, 300_000)
