import { eventually, needs } from '@rondo/testkit'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Rondo, startRondo } from '../rig/rondo.ts'

const { met } = needs('postgres18')
let rondo: Rondo
let bearer: string
beforeAll(async () => {
  if (!met) return
  rondo = await startRondo()
  bearer = `Bearer ${await rondo.token('service:alertmanager', 'reporter')}`
  await rondo.rpc('rondo.operations.v1.Operations/PutService', { service: 'shop', owner: 'team', alert_labels: { service: 'shop' } })
})
afterAll(() => rondo?.stop())

const tell = (replica: string, status: 'firing' | 'resolved', words: string) => {
  const alert = {
    status,
    labels: { alertname: 'Slow', service: 'shop' },
    annotations: { summary: words },
    startsAt: '2026-11-20T09:00:00Z',
    endsAt: status === 'resolved' ? '2026-11-20T09:30:00Z' : '0001-01-01T00:00:00Z',
    fingerprint: 'f-slow',
  }
  return rondo.send('POST', '/v1/webhooks/alertmanager', {
    body: JSON.stringify({ version: '4', status, externalURL: replica, groupKey: 'g', alerts: [alert] }),
    headers: { authorization: bearer, 'content-type': 'application/json' },
  })
}
const signal = async () => (await rondo.rpc('rondo.operations.v1.Operations/ListSignals', { service: 'shop' })).body.signals[0]
const becomes = (phase: string) => eventually(async () => (await signal())?.phase === phase, { within: 15_000 })

test('each replica speaks for itself; one that takes back its own "resolved" has not seen the end', async () => {
  await tell('http://am-1', 'firing', 'a')
  await becomes('open')
  await tell('http://am-2', 'firing', 'a')
  await tell('http://am-1', 'resolved', 'a')
  await becomes('cleared')
  // A late "firing" of a replica that had not said "resolved" changes nothing
  await tell('http://am-2', 'firing', 'b')
  await rondo.settled()
  expect((await signal()).phase).toBe('cleared')
  // Its own word taken back does
  await tell('http://am-1', 'firing', 'c')
  await becomes('open')
  const { episodes, episode_count } = await signal()
  expect(episode_count).toBe('1')
  expect(episodes[0]).toMatchObject({ end_withdrawn: true, ended_at: '' })
})
