import { setTimeout as pause } from 'node:timers/promises'
import { CliError } from './exit.ts'

/** Refusals before anything was done: the same again is safe, whatever it asks for. */
const nothingDone: readonly unknown[] = ['overloaded', 'rate_limited']
const tries = 6
const firstMs = 250
const mostMs = 8000

function waitOf({ details }: CliError, attempt: number): number {
  const asked = typeof details.retry_after_s === 'number' ? details.retry_after_s * 1000 : 0
  const backoff = Math.min(mostMs, firstMs * 2 ** attempt)
  // Those who were refused together shall not come back together
  return Math.max(asked, backoff) * (1 + Math.random() / 4)
}

/** Tries again what was refused for now, with growing pauses and no sooner than the server said. */
export async function againLater<Result>(
  work: () => Promise<Result>,
  signal?: AbortSignal,
  wait: (ms: number) => Promise<unknown> = (ms) => pause(ms, undefined, signal ? { signal } : {}),
): Promise<Result> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof CliError) || !nothingDone.includes(error.details.code) || attempt + 1 >= tries) throw error
      await wait(waitOf(error, attempt))
    }
  }
}
