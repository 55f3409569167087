import { expect, test } from 'vitest'
import { adaptAlertmanager, voiceOf } from './alertmanager.ts'

const firing = {
  version: '4',
  status: 'firing',
  externalURL: 'http://am-1',
  groupKey: '{}:{alertname="Slow"}',
  alerts: [
    {
      status: 'firing',
      labels: { alertname: 'Slow', service: 'shop' },
      startsAt: '2026-11-20T09:00:00Z',
      endsAt: '0001-01-01T00:00:00Z',
      fingerprint: 'f1',
    },
  ],
}
const t = (time: string) => `2026-11-20T${time}:00.000000Z`
const heard = (body: object, heard_at: string) => adaptAlertmanager(body, { hash: 'd', heard_at, isFirst: true }).events

test('a delivery that is tried again is the same event, a repetition hours later one of its own that says when it was heard', () => {
  const [first] = heard(firing, t('09:01'))
  const [repeated] = heard(firing, t('13:01'))
  expect(heard(firing, t('09:01'))).toEqual([first])
  expect(repeated?.id).not.toBe(first?.id)
  // What happened is the same, and when: only the telling is new
  expect(repeated).toMatchObject({ at: first?.at, subject: 'f1', fact: { data: { starts_at: t('09:00'), heard_at: t('13:01') } } })
})

test('what is heard for the first time says so, each alert of it and the cut', () => {
  for (const isFirst of [true, false]) {
    const { events } = adaptAlertmanager({ ...firing, truncatedAlerts: 4 }, { hash: 'd', heard_at: t('09:01'), isFirst })
    expect(events.map((event) => event.isFirst)).toEqual([isFirst, isFirst])
  }
})

test('a change of the words is another event of the same episode', () => {
  const worded = { ...firing, alerts: [{ ...firing.alerts[0], annotations: { summary: '12 s' } }] }
  expect(heard(worded, t('09:01'))[0]?.id).not.toBe(heard(firing, t('09:01'))[0]?.id)
})

test('a cut message that is repeated left alerts out again', () => {
  const cut = { ...firing, truncatedAlerts: 4 }
  const [, first] = heard(cut, t('09:01'))
  const [, repeated] = heard(cut, t('13:01'))
  expect(first?.fact.type).toContain('alert.cut')
  expect(repeated).toMatchObject({ at: t('13:01'), fact: { data: { left_out: 4 } } })
  expect(repeated?.id).not.toBe(first?.id)
})

test('a voice is a replica that tells of one of its groups', () => {
  const voices = [firing, { ...firing, status: 'resolved' }, { ...firing, externalURL: 'http://am-2' }, { ...firing, groupKey: 'g' }].map(
    voiceOf,
  )
  expect(voices[1]).toBe(voices[0])
  expect(new Set(voices).size).toBe(3)
})
