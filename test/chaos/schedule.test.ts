import { expect, test } from 'vitest'
import { createRandom } from './random.ts'
import { faultNames, mixes, mixOf, scheduleOf } from './schedule.ts'
import type { KillKind } from './stage.ts'

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
    expect(new Set(planned.map(({ fault }) => fault)).size, `kinds of seed ${seed}`).toBe(faultNames.length - 4)
    expect(planned.map(({ at }) => at)).toEqual(planned.map(({ at }) => at).toSorted((a, b) => a - b))
  }
})

test('a longer schedule begins as a shorter one: a run that goes on does what it would have done', () => {
  const short = of(3, 32)
  expect(of(3, 320).filter(({ at }) => at < 32)).toEqual(short)
})

test.each([
  { mix: 'processes', often: ['host', 'backend'], each: 40 },
  { mix: 'servers', often: ['server-stop'], each: 2 },
  { mix: 'brokers', often: ['brokers'], each: 2 },
] as const)(
  'any seed of the mix for $mix tries to kill them 600 times an hour, and each service and each rarer kind within ten minutes',
  (one) => {
    for (let seed = 0; seed < 50; seed += 1) {
      const planned = scheduleOf(600, createRandom(seed), { mix: mixes[one.mix], backupAt: 300 })
      const count = (fault: string) => planned.filter(({ fault: planned }) => planned === fault).length
      for (const kind of one.often) expect(count(kind), `${kind} of seed ${seed}`).toBeGreaterThan(600 / 6)
      for (const service of ['gateway', 'operations', 'requirements']) expect(count(service), service).toBeGreaterThanOrEqual(one.each)
      const kinds = new Set(planned.map(({ fault }) => fault))
      const rarer = faultNames.filter((name) => !['host', 'site', 'broker-back', 'brokers', 'server-stop', 'backend'].includes(name))
      expect(
        rarer.filter((name) => !kinds.has(name)),
        `of seed ${seed}`,
      ).toEqual([])
    }
  },
)

test('where only messages are missing faults are far apart, and each kind comes all the same', () => {
  for (let seed = 0; seed < 50; seed += 1) {
    const planned = scheduleOf(1200, createRandom(seed), { mix: mixes.messages, backupAt: 900 })
    expect(planned.length).toBeLessThan(600)
    const kinds = new Set(planned.map(({ fault }) => fault))
    const others = ['host', 'site', 'broker-back', 'brokers']
    expect(
      faultNames.filter((name) => !kinds.has(name) && !others.includes(name)),
      `of seed ${seed}`,
    ).toEqual([])
  }
})

test('a leg kills what still is to be killed, one after the other', () => {
  const mixesOf = (...owed: readonly KillKind[]) => [0, 1, 2].map((leg) => mixOf(new Set(owed), leg))
  const { processes, servers, brokers, messages } = mixes
  expect(mixesOf('service', 'server')).toEqual([processes, servers, processes])
  expect(mixesOf('backend')).toEqual([processes, processes, processes])
  expect(mixesOf('backend', 'server', 'broker')).toEqual([processes, servers, brokers])
  expect(mixesOf('broker')).toEqual([brokers, brokers, brokers])
  expect(mixesOf()).toEqual([messages, messages, messages])
})
