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
})
afterAll(() => rondo?.stop())

const startsAt = '2026-11-20T09:00:00Z'
/** A notification of the group of a service; the same words are the same bytes. */
const tell = (service: string, replica: string, status: 'firing' | 'resolved', words = '', part: object = {}) => {
  const alert = {
    status,
    labels: { alertname: 'Slow', service },
    annotations: { summary: words },
    startsAt,
    endsAt: status === 'resolved' ? '2026-11-20T09:30:00Z' : '0001-01-01T00:00:00Z',
    fingerprint: `f-${service}`,
  }
  return rondo.send('POST', '/v1/webhooks/alertmanager', {
    body: JSON.stringify({ version: '4', status, externalURL: replica, groupKey: service, alerts: [alert], ...part }),
    headers: { authorization: bearer, 'content-type': 'application/json' },
  })
}
const put = (service: string) =>
  rondo.rpc('rondo.operations.v1.Operations/PutService', { service, owner: 'team', alert_labels: { service } })
const signal = async (service: string) => (await rondo.rpc('rondo.operations.v1.Operations/ListSignals', { service })).body.signals[0]
const becomes = (service: string, phase: string) =>
  eventually(async () => (await signal(service))?.phase === phase, { within: 15_000 }).catch(async (error) => {
    throw new Error(`the signal of ${service} is ${(await signal(service))?.phase}, not ${phase}`, { cause: error })
  })

test('each replica speaks for itself; one that takes back its own "resolved" has not seen the end', async () => {
  await put('shop')
  await tell('shop', 'http://am-1', 'firing')
  await becomes('shop', 'open')
  await tell('shop', 'http://am-2', 'firing')
  await tell('shop', 'http://am-1', 'resolved')
  await becomes('shop', 'cleared')
  // A late "firing" of a replica that had not said "resolved" changes nothing
  await tell('shop', 'http://am-2', 'firing', 'b')
  await rondo.settled()
  expect((await signal('shop')).phase).toBe('cleared')
  // Its own word taken back does, although it is the first one's bytes again
  await tell('shop', 'http://am-1', 'firing')
  await becomes('shop', 'open')
  const { episodes, episode_count } = await signal('shop')
  expect(episode_count).toBe('1')
  expect(episodes[0]).toMatchObject({ end_withdrawn: true, ended_at: '' })
})

test('a delivery that is tried again is a duplicate, and has no effect', async () => {
  await put('auth')
  const [first] = (await tell('auth', 'http://am-1', 'firing')).body.results
  await becomes('auth', 'open')
  await rondo.settled()
  const before = await signal('auth')
  const [again] = (await tell('auth', 'http://am-1', 'firing')).body.results
  expect(again).toMatchObject({ status: 'duplicate', event_id: first.event_id })
  await rondo.settled()
  expect(await signal('auth')).toEqual(before)
})

test('what a cut message made uncertain is open again when its replica says so, and uncertain again with the next cut', async () => {
  await put('mail')
  await tell('mail', 'http://am-1', 'firing')
  await becomes('mail', 'open')
  const other = {
    status: 'resolved',
    labels: { alertname: 'Slow', service: 'mail' },
    startsAt,
    endsAt: '2026-11-20T09:10:00Z',
    fingerprint: 'o',
  }
  const cut = { status: 'resolved', alerts: [other], truncatedAlerts: 3 }
  const mine = async () =>
    (await rondo.rpc('rondo.operations.v1.Operations/ListSignals', { service: 'mail' })).body.signals.find(
      (one: { fingerprint: string }) => one.fingerprint === 'f-mail',
    )?.phase
  for (const _ of ['once', 'again']) {
    await tell('mail', 'http://am-1', 'resolved', '', cut)
    await eventually(async () => (await mine()) === 'uncertain', { within: 15_000 })
    await tell('mail', 'http://am-1', 'firing')
    await eventually(async () => (await mine()) === 'open', { within: 15_000 })
  }
  const [{ cut_messages }] = (await rondo.rpc('rondo.operations.v1.Operations/ListSources')).body.sources.filter(
    (one: { source: string }) => one.source === 'http://am-1',
  )
  expect(cut_messages).toBe('2')
})
