import { type Bus, kafkaBus, postgresBus } from '@rondo/bus'
import { toIntakeRecord } from '@rondo/contracts/cloudevents'
import { change } from '@rondo/contracts/intake'
import { loadProtos } from '@rondo/proto'
import { createChannels } from '@rondo/runtime'
import { type Controlled, eventually, freshDatabase, needs, ownEngine } from '@rondo/testkit'
import { afterAll, describe, expect, test } from 'vitest'
import { allOf } from '../rig/records.ts'
import { type Rondo, startRondo } from '../rig/rondo.ts'

const engines = needs('postgres18', 'kafka')

const count = 500
const badAt = 317
const source = 'https://ci.example.org'
const time = '2026-11-25T09:00:00Z'
const person = { email: 'ada@example.org', name: 'Ada', login: 'ada' }
const shaOf = (name: string, index: number) =>
  Buffer.from(`${name} ${String(index).padStart(4, '0')}`)
    .toString('hex')
    .padEnd(40, '0')
    .slice(0, 40)
const changeOf = (name: string, index: number, message = `Change ${index}`) => ({
  repository: { host: 'github.com', full_name: `shop/${name}`, id: '' },
  sha: shaOf(name, index),
  parents: [],
  parents_known: true,
  shallow: false,
  patch_id: '',
  message,
  committed_at: time,
  author: person,
  committer: person,
  branch: 'main',
})
const eventOf = (name: string, index: number) => ({ id: `${name}-${index}`, source, time, change: changeOf(name, index) })
const numbers = Array.from({ length: count }, (_, index) => index)
const others = numbers.filter((index) => index !== badAt)

async function commits(rondo: Rondo, name: string): Promise<readonly string[]> {
  const all: string[] = []
  for (let page_token = ''; ; ) {
    const request = { repository: `shop/${name}`, page_size: 200, page_token }
    const { changes, next_page_token } = (await rondo.rpc('rondo.builds.v1.Builds/ListChanges', request)).body
    all.push(...changes.map(({ commit, sha = commit }: { commit: string; sha?: string }) => sha))
    if (next_page_token === '') return all
    page_token = next_page_token
  }
}

/** All of them but the bad one have had their effect, once. */
async function arrived(rondo: Rondo, name: string): Promise<void> {
  await eventually(async () => (await commits(rondo, name)).length >= others.length, { within: 60_000, every: 200 })
  await rondo.settled()
  expect((await commits(rondo, name)).toSorted()).toEqual(others.map((index) => shaOf(name, index)))
}

const cause = { actor: 'service:ci', correlationId: 'c', causationId: 'c', loopIds: [], occurredAt: '2026-11-25T09:00:00.000000Z' }
/** As the edge puts it on the bus, or whoever else may write there. */
const recordOf = (index: number, fields: object) => {
  const { parents_known: _1, author: _2, committer: _3, patch_id: _4, repository, ...rest } = changeOf('kafka', index)
  const { host, full_name } = repository
  const id = `00000000-0000-5000-8000-${String(index).padStart(12, '0')}`
  const data = { ...rest, repository: { host, full_name }, committed_at: cause.occurredAt, contributors: [], ...fields }
  return toIntakeRecord({ id, key: id, type: change.observed.base, schemaVersion: 1, data, ...cause })
}
const merged = (index: number) => {
  const type = 'dev.cdevents.change.merged.0.2.0'
  const context = { version: '0.4.1', id: `http-${index}`, source, type, timestamp: time }
  const subject = {
    id: index === badAt ? 'no commit' : shaOf('http', index),
    content: { repository: { id: 'shop/http', source: 'https://github.com' } },
  }
  return { specversion: '1.0', id: context.id, source, type, time, datacontenttype: 'application/json', data: { context, subject } }
}

describe.each(['Kafka', 'PostgreSQL'] as const)('with the bus on %s', (on) => {
  let engine: Controlled | undefined
  let rondo: Rondo
  let bus: Bus
  engines.beforeAll(async () => {
    const database = await freshDatabase()
    // Of its own: what lies on the run's would be read by everybody's services
    engine = on === 'Kafka' ? await ownEngine('kafka') : undefined
    rondo = await startRondo({ database, env: engine ? { RONDO_KAFKA_BROKERS: engine.address } : {} })
    bus = engine ? kafkaBus({ brokers: [engine.address], clientId: 'tests' }) : postgresBus({ url: database })
  })
  afterAll(async () => {
    await bus?.close()
    await rondo?.stop()
    await engine?.stop()
  })
  const status = async (service: string) => {
    const { body } = await rondo.rpc('rondo.ledger.v1.Ledger/Status', { service: '' })
    return body.services.find((one: { service: string }) => one.service === service)
  }

  test('one bad row in a batch of 500 over gRPC: it is refused with its place, the others go on', async () => {
    const channels = createChannels(loadProtos(), () => rondo.grpc)
    try {
      const events = numbers.map((index) => {
        const one = eventOf('grpc', index)
        return index === badAt ? { ...one, change: { ...one.change, sha: 'no commit' } } : one
      })
      const authorization = `Bearer ${await rondo.token('service:ci', 'reporter')}`
      const answer = await channels.call('gateway', 'rondo.intake.v1.Intake/EmitBatch', { events }, { authorization })
      const { results } = answer as { results: { status: string }[] }
      expect(results).toHaveLength(count)
      expect(results.flatMap(({ status }, index) => (status === 'accepted' ? [] : [index]))).toEqual([badAt])
      expect(results[badAt]).toMatchObject({ status: 'refused', code: 'invalid', path: expect.stringContaining('change.sha') })
      await arrived(rondo, 'grpc')
    } finally {
      channels.close()
    }
  }, 120_000)

  test('one bad row in a batch of 500 over HTTP: it is refused with its place, the others go on', async () => {
    const { status, body } = await rondo.send('POST', '/v1/events', {
      body: JSON.stringify(numbers.map(merged)),
      headers: {
        'content-type': 'application/cloudevents-batch+json',
        authorization: `Bearer ${await rondo.token('service:ci', 'reporter')}`,
      },
    })
    expect(status).toBe(202)
    const results: { status: string }[] = body.results
    expect(results.flatMap((one, index) => (one.status === 'accepted' ? [] : [index]))).toEqual([badAt])
    expect(results[badAt]).toMatchObject({ status: 'refused', path: expect.stringContaining(`[${badAt}]`) })
    await arrived(rondo, 'http')
  }, 120_000)

  test('one bad row in a batch of 500 on the bus: it is parked with its place and reason, the others go on', async () => {
    const bad = recordOf(badAt, { sha: 'no commit' })
    await bus.send(
      'rondo.intake.v1',
      numbers.map((index) => (index === badAt ? bad : recordOf(index, {}))),
    )
    await arrived(rondo, 'kafka')
    const { parked_keys, paused_partitions } = await status('builds')
    expect(parked_keys).toMatchObject([{ source: expect.stringContaining('rondo.intake.v1'), key: bad.key, waiting: '1' }])
    expect(parked_keys[0].reason).toContain('sha')
    expect(paused_partitions).toEqual([])
  }, 120_000)

  test('a document of 1 MB passes intake, bus and consumer: what stands at its end is done by another service', async () => {
    await rondo.rpc('rondo.requirements.v1.Requirements/Raise', { requirement_id: 'REQ-THICK', title: 'Thick', service: 'shop' })
    const trailer = '\n\nImplements: REQ-THICK'
    const message = `${'x'.repeat(998_000)}${trailer}`
    const thick = { ...eventOf('thick', 1), change: changeOf('thick', 1, message) }
    const { body } = await rondo.rpc('rondo.intake.v1.Intake/Emit', { event: thick })
    expect(body).toMatchObject({ result: { status: 'accepted' } })
    const phase = async () =>
      (await rondo.rpc('rondo.requirements.v1.Requirements/GetRequirement', { requirement_id: 'REQ-THICK' })).body.summary.phase
    // What stands at its end was read by another service
    await eventually(async () => (await phase()) === 'in_progress', { within: 60_000, every: 100 })
    const values = (await allOf(bus, 'rondo.intake.v1')).flat().map(({ value }) => Buffer.from(value ?? []).toString())
    const found = values.filter(({ length }) => length > 990_000)
    expect(found.map((text) => JSON.parse(text).message === message)).toEqual([true])
    await rondo.settled()
    expect((await status('requirements')).parked_keys).toEqual([])
  }, 120_000)
})
