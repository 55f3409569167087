import { eventually, freshDatabase, kafka, needs, ownEngine } from '@rondo/testkit'
import { expect, test } from 'vitest'
import { type Rondo, startRondo } from '../rig/rondo.ts'
import { configure } from './topics.ts'

needs('postgres18', 'kafka')

/** A commit's message of so many letters, each a byte. */
async function emitted(rondo: Rondo, letters: number) {
  const sha = String(letters).padStart(40, 'a')
  const person = { email: 'ada@example.org', name: 'Ada', login: 'ada' }
  const change = {
    repository: { host: 'github.com', full_name: 'shop/web' },
    sha,
    parents: [],
    parents_known: true,
    message: 'x'.repeat(letters),
    committed_at: '2026-11-25T09:00:00Z',
    author: person,
    committer: person,
  }
  const event = { id: `c${letters}`, source: 'https://ci.example.org', time: '2026-11-25T09:00:00Z', change }
  const { status, body } = await rondo.rpc('rondo.intake.v1.Intake/Emit', { event })
  return { sha, status, body }
}

test("an event at the broker's size limit is refused at intake, not at the relay; one that just fits passes the whole way", async () => {
  const rondo = await startRondo({ env: { RONDO_KAFKA_BROKERS: kafka() } })
  try {
    const over = 1_060_000
    const { body: refusal } = await emitted(rondo, over)
    const [, taken = '', limit = ''] = /takes (\d+) bytes; rondo\.intake\.v1 takes (\d+)/.exec(refusal.message) ?? []
    expect(refusal.details[0].debug.code).toBe('too_large')
    const most = over - (Number(taken) - Number(limit))
    expect(await emitted(rondo, most + 1)).toMatchObject({ status: 400, body: { message: expect.stringContaining(`takes ${limit}`) } })
    const { sha, body } = await emitted(rondo, most)
    expect(body).toMatchObject({ result: { status: 'accepted' } })
    const found = () => rondo.rpc('rondo.builds.v1.Builds/GetChange', { commit: sha })
    await eventually(async () => (await found()).status === 200, { within: 30_000, every: 100 })
    await rondo.settled()
    const { body: status } = await rondo.rpc('rondo.ledger.v1.Ledger/Status', { service: '' })
    for (const service of status.services) expect(service).toMatchObject({ parked_keys: [], paused_partitions: [], relay_delay_ms: '0' })
  } finally {
    await rondo.stop()
  }
}, 120_000)

test('where a limit was lowered by hand, what is recorded already says how to go on, and what is too large from then on is refused and waits', async () => {
  const engine = await ownEngine('kafka')
  const topic = 'rondo.builds.v1'
  const database = await freshDatabase()
  const env = { RONDO_KAFKA_BROKERS: engine.address }
  let rondo = await startRondo({ env, database })
  const limitTo = (bytes: number) => configure(engine.address, [topic], 'max.message.bytes', String(bytes))
  const relay = async () => {
    const { body } = await rondo.rpc('rondo.ledger.v1.Ledger/Readiness', {})
    return body.components.find(({ name }: { name: string }) => name === 'builds/relay')
  }
  const hasChange = async (commit: string) => (await rondo.rpc('rondo.builds.v1.Builds/GetChange', { commit })).status === 200
  const builds = async () => (await rondo.rpc('rondo.ledger.v1.Ledger/Status', { service: 'builds' })).body.services[0]
  const patience = { within: 60_000, every: 200 }
  try {
    await limitTo(1_500)
    const recorded = await emitted(rondo, 500)
    await eventually(() => hasChange(recorded.sha), patience)
    await eventually(async () => (await relay())?.ready === false, patience)
    expect(await relay()).toMatchObject({
      cause: expect.stringMatching(/takes \d+ bytes; rondo\.builds\.v1 takes 1400/),
      fix: expect.stringMatching(/^raise max\.message\.bytes of rondo\.builds\.v1 to \d+ or more; nothing is lost/),
    })
    await rondo.stop()
    rondo = await startRondo({ env, database })
    const refused = await emitted(rondo, 499)
    await eventually(async () => (await builds()).parked_keys.length > 0, patience)
    const [{ source, partition, key, reason }] = (await builds()).parked_keys
    expect(reason).toMatch(/rondo\.builds\.change\.recorded of change .* takes \d+ bytes as a record; rondo\.builds\.v1 takes 1400/)
    expect(await hasChange(refused.sha)).toBe(false)
    await limitTo(1_000_000)
    await eventually(async () => (await relay())?.ready, patience)
    // The limit is asked for again within a minute
    const retry = { service: 'builds', source, partition, key, why: 'the limit was raised' }
    await eventually(async () => (await rondo.rpc('rondo.ledger.v1.Ledger/RetryParked', retry)).body.applied === '1', {
      within: 90_000,
      every: 1_000,
    })
    expect(await hasChange(refused.sha)).toBe(true)
    await rondo.settled()
  } finally {
    await rondo.stop()
    await engine.stop()
  }
}, 300_000)
