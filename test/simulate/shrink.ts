import type { Plan } from './plan.ts'
import type { Outcome } from './run.ts'

/**
 * Leaves out decisions, and processes, as long as what is left still breaks a promise; the last outcome that did. Parts are left out by
 * halves, quarters and so on (delta debugging), each again from the first when one could go, until none can or the time is over.
 */
export async function shrink(failed: Outcome, run: (plan: Plan) => Promise<Outcome>, withinMs: number): Promise<Outcome> {
  const end = performance.now() + withinMs
  let best = failed
  const holds = async (plan: Plan): Promise<boolean> => {
    if (performance.now() > end) return false
    const outcome = await run(plan)
    if (outcome.violations.length === 0) return false
    best = outcome
    return true
  }
  for (let parts = 2; ; ) {
    const { decisions } = best.plan
    const size = Math.max(1, Math.ceil(decisions.length / parts))
    let found = false
    for (let from = 0; from < decisions.length && !found; from += size)
      found = await holds({ ...best.plan, decisions: [...decisions.slice(0, from), ...decisions.slice(from + size)] })
    if (found) parts = Math.max(2, parts - 1)
    else if (size === 1 || performance.now() > end) break
    else parts *= 2
  }
  for (let processes = 1; processes < best.plan.processes; processes++) if (await holds({ ...best.plan, processes })) break
  await holds({ ...best.plan, deaf: 0 })
  return best
}
