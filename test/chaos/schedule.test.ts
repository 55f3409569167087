import { expect, test } from 'vitest'
import { createRandom } from './random.ts'
import { faultNames, mixes, scheduleOf } from './schedule.ts'

const of = (seed: number, seconds = 150) => scheduleOf(seconds, createRandom(seed))

test('the same seed plans the same faults, another one others', () => {
  expect(of(1)).toEqual(of(1))
  expect(of(1)).not.toEqual(of(2))
})

test('any seed plans enough for the two and a half minutes that four leave: processes and connections most, each other kind at least once', () => {
  for (let seed = 0; seed < 200; seed += 1) {
    const planned = of(seed)
    const count = (...names: readonly string[]) => planned.filter(({ fault }) => names.includes(fault)).length
    expect(count('backend')).toBeGreaterThan(100)
    for (const service of ['gateway', 'operations', 'requirements']) expect(count(service), service).toBeGreaterThan(25)
    expect(new Set(planned.map(({ fault }) => fault)).size, `kinds of seed ${seed}`).toBe(faultNames.length - 2)
    expect(planned.map(({ at }) => at)).toEqual(planned.map(({ at }) => at).toSorted((a, b) => a - b))
  }
})

test('a longer schedule begins as a shorter one: a run that goes on does what it would have done', () => {
  const short = of(3, 32)
  expect(of(3, 320).filter(({ at }) => at < 32)).toEqual(short)
})

test('any seed of the long mix tries to kill each kind of process 600 times an hour, and has each other kind within ten minutes', () => {
  for (let seed = 0; seed < 50; seed += 1) {
    const planned = scheduleOf(600, createRandom(seed), { mix: mixes.long, backupAt: 300 })
    const count = (fault: string) => planned.filter((one) => one.fault === fault).length
    for (const kind of ['host', 'backend', 'server-stop', 'broker-back'])
      expect(count(kind), `${kind} of seed ${seed}`).toBeGreaterThan(600 / 6)
    for (const service of ['gateway', 'operations', 'requirements']) expect(count(service), service).toBeGreaterThan(40)
    expect(new Set(planned.map(({ fault }) => fault)).size, `kinds of seed ${seed}`).toBe(faultNames.length)
  }
})
