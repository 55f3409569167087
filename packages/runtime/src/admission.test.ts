import { DomainError } from '@rondo/kernel'
import { expect, test } from 'vitest'
import { Admission } from './admission.ts'
import type { Lateness } from './lateness.ts'

/** A gate without a limit: what the tests below would see without one. */
const open = { enter: () => ({ hold: () => undefined, leave: () => undefined }) }

/** A machine that does so much in a second, one after the other, in virtual time. */
function machine(perSecond: number, gate?: Pick<Admission, 'enter'>, lateness?: Lateness) {
  let now = 0
  let free = 0
  const admission = new Admission({ now: () => now, ...(lateness ? { lateness } : {}) })
  const under: { readonly end: number; readonly leave: () => void }[] = []
  const waits: number[] = []
  let refused = 0
  let most = 0
  const until = (time: number) => {
    for (let next = under[0]; next && next.end <= time; next = under[0]) {
      under.shift()
      now = next.end
      next.leave()
    }
    now = time
  }
  return {
    admission,
    waits,
    faster: (times: number) => {
      perSecond *= times
    },
    get refused() {
      return refused
    },
    get most() {
      return most
    },
    /** Calls at this rate for so many seconds. */
    offer(rate: number, seconds: number) {
      const from = now
      for (let n = 1; n <= rate * seconds; n++) {
        until(from + (n * 1000) / rate)
        try {
          const { leave } = (gate ?? admission).enter(0)
          free = Math.max(free, now) + 1000 / perSecond
          under.push({ end: free, leave })
          waits.push(free - now)
          most = Math.max(most, under.length)
        } catch (error) {
          if (!(error instanceof DomainError)) throw error
          refused += 1
        }
      }
    },
  }
}

const p99 = (waits: readonly number[]) => waits.toSorted((a, b) => a - b)[Math.floor(waits.length * 0.99)] ?? 0

test.each([100, 1000, 5000])('at three times what %i/s can take, what is taken is soon done and all else is refused', (perSecond) => {
  const one = machine(perSecond)
  one.offer(3 * perSecond, 3)
  one.waits.length = 0
  one.offer(3 * perSecond, 10)
  expect(p99(one.waits)).toBeLessThan(500)
  // The machine is kept busy all the while
  expect(one.waits.length).toBeGreaterThan(9 * perSecond)
  expect(one.most).toBeLessThanOrEqual(Math.max(128, perSecond * 0.4))
})

test('without a limit all of them wait longer and longer', () => {
  const one = machine(1000, open)
  one.offer(3000, 13)
  expect(p99(one.waits)).toBeGreaterThan(20_000)
  expect(one.most).toBeGreaterThan(20_000)
})

test('a burst that is over soon is no overload', () => {
  const one = machine(1000)
  one.offer(50_000, 0.002)
  one.offer(100, 2)
  expect(one.refused).toBe(0)
})

test('a machine that has become faster gets more to do, a slower one less, within seconds', () => {
  const one = machine(1000)
  one.offer(20_000, 3)
  expect(one.admission.standing.limit).toBeGreaterThan(150)
  expect(one.admission.standing.limit).toBeLessThan(260)
  one.faster(5)
  one.offer(20_000, 3)
  expect(one.admission.standing.limit).toBeGreaterThan(750)
  one.faster(1 / 10)
  one.offer(20_000, 3)
  expect(one.admission.standing.limit).toBeLessThan(150)
  // And all is as it was when there is room again
  one.offer(10, 5)
  const { refused } = one
  one.offer(50_000, 0.002)
  expect(one.refused).toBe(refused)
})

test('what waits before it is let in counts: the later the event loop, the less is under way, and all is as it was when it is in time', () => {
  let late = 0
  const asked: boolean[] = []
  const lateness: Lateness = {
    sinceLast(more) {
      asked.push(more)
      return late
    },
  }
  const one = machine(1000, undefined, lateness)
  one.offer(5000, 3)
  const { limit } = one.admission.standing
  expect(limit).toBeGreaterThan(150)
  late = 150
  one.offer(5000, 3)
  expect(one.admission.standing.limit).toBeLessThan(limit / 3)
  late = 1000
  one.offer(5000, 3)
  expect(one.admission.standing.limit).toBe(32)
  late = 0
  one.offer(5000, 3)
  expect(one.admission.standing.limit).toBeGreaterThan(150)
  expect(asked.at(-1)).toBe(true)
  one.offer(10, 3)
  // Nobody was sent away: the loop is left alone
  expect(asked.at(-1)).toBe(false)
})

test('a refusal says when to come back, and not to all the same', () => {
  const admission = new Admission({ now: () => 0 })
  const { limit } = admission.standing
  const places = Array.from({ length: limit }, () => admission.enter(0))
  const told = Array.from({ length: 20 }, () => {
    try {
      admission.enter(0)
    } catch (error) {
      return error instanceof DomainError && error.code === 'overloaded' ? error.details.retry_after_ms : undefined
    }
    return undefined
  })
  expect(told.every((ms) => typeof ms === 'number' && ms >= 250 && ms <= 2000)).toBe(true)
  expect(new Set(told).size).toBeGreaterThan(4)
  // Once, however often it is said
  places[0]?.leave()
  places[0]?.leave()
  admission.enter(0)
  expect(() => admission.enter(0)).toThrow('try again in')
})

test('large requests are bounded together; one alone may always be', () => {
  const admission = new Admission({ now: () => 0 })
  const { leave } = admission.enter(100 << 20)
  expect(() => admission.enter(1)).toThrow(DomainError)
  leave()
  admission.enter(40 << 20)
  expect(() => admission.enter(40 << 20)).toThrow(DomainError)
  admission.enter(20 << 20)
})

test('who cannot pile up waits for room, in the order in which they came', async () => {
  const admission = new Admission({ now: () => 0 })
  const places = Array.from({ length: admission.standing.limit }, () => admission.enter(0))
  const done: number[] = []
  const all = [1, 2, 3].map((n) => admission.inTurn(async () => void done.push(n)))
  await Promise.resolve()
  expect(done).toEqual([])
  places[0]?.leave()
  await Promise.all(all)
  expect(done).toEqual([1, 2, 3])
  expect(() => admission.enter(0).leave()).not.toThrow()
})
