import { planOf } from './plan.ts'
import { type Outcome, run } from './run.ts'

/** What the coordinator asks for, and what it is told. */
export interface Range {
  readonly from: number
  readonly count: number
}
export interface Tried {
  readonly seeds: number
  readonly steps: number
  readonly events: number
  readonly failed: readonly Pick<Outcome, 'plan' | 'violations'>[]
}

let current = 0

process.on('uncaughtException', (error) => {
  console.error(`seed ${current}: an error that nobody handles: ${error.stack}`)
  process.exit(1)
})
process.on('message', async ({ from, count }: Range) => {
  const failed: Outcome[] = []
  let steps = 0
  let events = 0
  for (let seed = from; seed < from + count; seed++) {
    current = seed
    const outcome = await run(planOf(seed))
    steps += outcome.steps
    events += outcome.events
    if (outcome.violations.length > 0) failed.push(outcome)
  }
  const tried: Tried = { seeds: count, steps, events, failed: failed.map(({ plan, violations }) => ({ plan, violations })) }
  process.send?.(tried)
})
process.on('disconnect', () => process.exit(0))
