import { eventually, kafka, needs } from '@rondo/testkit'
import { expect, test } from 'vitest'
import { type Rondo, startRondo } from '../rig/rondo.ts'

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
