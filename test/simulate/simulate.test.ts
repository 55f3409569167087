import { expect, test } from 'vitest'
import { planOf } from './plan.ts'
import { run } from './run.ts'
import { shrink } from './shrink.ts'

test('every promise holds for some hundred seeds', { timeout: 60_000 }, async () => {
  const broken: string[] = []
  let events = 0
  for (let seed = 1; seed <= 80; seed++) {
    const outcome = await run(planOf(seed))
    events += outcome.events
    broken.push(...outcome.violations.map(({ what }) => `seed ${seed}: ${what}`))
  }
  expect(broken).toEqual([])
  // Something was at stake
  expect(events).toBeGreaterThan(1_000)
})

test('clocks of two processes 10 minutes apart: every promise holds', async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const { violations } = await run({ ...planOf(seed), processes: 2, skewMs: 600_000 })
    expect(violations, `seed ${seed}`).toEqual([])
  }
})

test('what a former owner has parked just after the next one began keeps what follows it waiting', async () => {
  expect((await run(planOf(3_273_544_416))).violations).toEqual([])
})

test('a parked record that one person retries and another leaves out at once is applied or left out', async () => {
  expect((await run(planOf(3_273_840_341))).violations).toEqual([])
})

test('intake that is delivered again while it is parked waits once', async () => {
  expect((await run(planOf(3_274_309_273))).violations).toEqual([])
})

test.each([
  ['whose stream a larger plan has moved to another partition', 3902],
  ['that was recorded after a restore', 3_274_767_472],
])('a fact %s waits behind those that are parked', async (_, seed) => {
  expect((await run(planOf(seed))).violations).toEqual([])
})

test('a seed makes the same history each time', async () => {
  for (const seed of [7, 23, 42]) {
    const [one, other] = [await run(planOf(seed)), await run(planOf(seed))]
    expect(other.story).toEqual(one.story)
    expect(other.steps).toBe(one.steps)
  }
})

test('what is left out until it no longer fails is the shortest', async () => {
  const plan = planOf(23)
  const culprits = [plan.decisions[3], plan.decisions[8]]
  const fails = async (given: typeof plan) => ({
    plan: given,
    violations: culprits.every((one) => one && given.decisions.includes(one)) ? [{ promise: 1 as const, what: 'both are there' }] : [],
    story: [],
    steps: 0,
    events: 0,
  })
  const { plan: least } = await shrink(await fails(plan), fails, 5_000)
  expect(least.decisions).toEqual(culprits)
  expect(least).toMatchObject({ processes: 1, deaf: 0 })
})
