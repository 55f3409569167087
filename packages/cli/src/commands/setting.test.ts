import { describe, expect, test } from 'vitest'
import { examples, openFields } from './examples.ts'
import { withSetting } from './setting.ts'

const now = new Date('2026-11-25T12:00:00Z')
const alert = examples.alert!.body(now)
const errors = examples.errors!.body(now)
const set = (body: object, setting: string) => withSetting(body, setting, openFields)

describe('--set', () => {
  test('changes one value and leaves the rest', () => {
    expect(set(alert, 'alerts[0].labels.service=cart')).toEqual({
      ...alert,
      alerts: [expect.objectContaining({ labels: expect.objectContaining({ service: 'cart', alertname: 'PaymentTimeout' }) })],
    })
    expect(set(errors, 'errors.events=9')).toMatchObject({ errors: { events: '9', requests: '12000' } })
    expect(set(examples.build!.body(now), 'build.attempt=2')).toMatchObject({ build: { attempt: 2 } })
  })
  test('labels are the sender’s choice', () =>
    expect(set(alert, 'alerts.0.labels.pod=shop-1')).toMatchObject({ alerts: [{ labels: { pod: 'shop-1' } }] }))
  test('a value may hold "="', () => expect(set(errors, 'errors.title=a=b')).toMatchObject({ errors: { title: 'a=b' } }))

  test.each([
    [errors, 'errors.event=9', 'there is no "event" in errors; there are service, environment, artifact'],
    [errors, 'error.events=9', 'there is no "error"; there are id, source, time, errors'],
    [alert, 'alerts[1].status=resolved', 'there is no "1" in alerts; there are entries 0 to 0'],
    [errors, 'errors.events.count=9', 'errors.events has no fields'],
    [alert, 'truncatedAlerts=many', 'a number was expected, not "many"'],
    [errors, 'errors.events', 'path=value was expected'],
  ])('%#: what cannot be set is an error', (body, setting, message) => expect(() => set(body, setting)).toThrow(message))

  test('the example itself stays as it was', () => {
    set(alert, 'status=resolved')
    expect(alert).toMatchObject({ status: 'firing' })
  })
})
