import { expect, test } from 'vitest'
import { adaptAlertmanager } from './alertmanager.ts'

const firing = {
  version: '4',
  status: 'firing',
  externalURL: 'http://am-1',
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
const heard = (body: object, now: string) => adaptAlertmanager(body, 'd', now).events[0]

test('the same bytes seconds later are one delivery, hours later a repetition that tells that it still fires', () => {
  const first = heard(firing, '2026-11-20T09:01:00.000000Z')
  const retried = heard(firing, '2026-11-20T09:01:04.000000Z')
  const repeated = heard(firing, '2026-11-20T13:01:00.000000Z')
  expect(retried).toEqual(first)
  expect(repeated?.id).not.toBe(first?.id)
  // What happened is the same, and when: only the telling is new
  expect({ ...repeated, id: '' }).toEqual({ ...first, id: '' })
})

test('a change of the words is another event of the same episode', () => {
  const worded = { ...firing, alerts: [{ ...firing.alerts[0], annotations: { summary: '12 s' } }] }
  expect(heard(worded, '2026-11-20T09:01:00.000000Z')?.id).not.toBe(heard(firing, '2026-11-20T09:01:00.000000Z')?.id)
})
