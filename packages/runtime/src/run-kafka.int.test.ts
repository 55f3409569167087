import { type Controlled, eventually, freshDatabase, needs, ownEngine } from '@rondo/testkit'
import { afterAll, expect, test } from 'vitest'
import { runServices, type TestRun } from '../test/running.ts'
import { countsService, thingsService } from '../test/services.ts'
import { as } from './rig.ts'

const { beforeAll } = needs('postgres18', 'kafka')

let kafka: Controlled
let env: Record<string, string>
let running: TestRun | undefined
beforeAll(async () => {
  kafka = await ownEngine('kafka')
  env = { RONDO_DATABASE_URL: await freshDatabase(), RONDO_KAFKA_BROKERS: kafka.address }
})
afterAll(async () => {
  await running?.stop()
  await kafka?.stop()
})

const note = (thing_id: string, text: string) =>
  running?.channels.call('things', 'rondo.things.v1.Things/Note', { thing_id, text }, as('developer'))
const counted = async (thing_id: string) =>
  (await running?.channels.call('counts', 'rondo.counts.v1.Counts/Get', { thing_id }, as('auditor')))?.notes
const texts = async (thing_id: string) =>
  (await running?.channels.call('things', 'rondo.things.v1.Things/Get', { thing_id }, as('auditor')))?.texts

test('facts reach the other service once, a document of 1 MB too: over a restart, and over an outage of the broker', async () => {
  running = await runServices([thingsService, countsService], env)
  for (const text of ['one', 'two']) await note('a', text)
  await eventually(async () => (await counted('a')) === '2', { within: 40_000 })
  await running.stop()
  running = await runServices([thingsService, countsService], env)
  await note('a', 'three')
  await eventually(async () => (await counted('a')) === '3', { within: 40_000 })

  const thick = 'x'.repeat(998_000)
  await note('thick', thick)
  await eventually(async () => (await counted('thick')) === '1', { within: 40_000 })
  expect(await texts('thick')).toEqual([thick])

  await kafka.kill()
  await note('a', 'four')
  const relay = async () => (await running?.readiness())?.components.find(({ name }) => name === 'things/relay')
  await eventually(async () => (await relay())?.ready === false, { within: 40_000 })
  expect(await relay()).toMatchObject({
    cause: expect.stringContaining('cannot be sent'),
    fix: expect.stringContaining('goes on by itself'),
  })
  await kafka.start()
  await eventually(async () => (await counted('a')) === '4', { within: 60_000 })
  await eventually(async () => (await running?.readiness())?.ready === true, { within: 60_000 })
}, 200_000)
