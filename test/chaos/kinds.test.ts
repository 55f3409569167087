import { expect, test } from 'vitest'
import { countsOf, missingOf } from './kinds.ts'

const done = {
  kills: [
    { kind: 'service', inFlight: 1 },
    { kind: 'broker', inFlight: 0 },
  ] as const,
  others: { 'network, kafka: cut': 2, 'network, redis: cut': 1, 'frozen; nobody took over': 3, 'every broker’s disk full': 1 },
}

test('each kind of fault is counted by what was done of it; a kill that hit nobody, and a sleep without a successor, are none', () => {
  expect(countsOf(done)).toMatchObject({
    'SIGKILL of a service': 1,
    'SIGKILL of a broker': 0,
    'network: cut': 3,
    'a broker’s disk full': 1,
    'a zombie that woke up after its successor took over': 0,
  })
})

test('what was not there is named, unless this machine cannot do it', () => {
  expect(missingOf(done)).toContain('network: half-open')
  expect(missingOf(done, ['network'])).not.toContain('network: half-open')
  expect(missingOf(done, ['network'])).toContain('SIGKILL of a broker')
  expect(missingOf({ ...done, others: {} }, ['network', 'disks'])).not.toContain('PostgreSQL’s disk full')
})
