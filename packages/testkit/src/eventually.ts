import { setTimeout as pause } from 'node:timers/promises'
import { inspect } from 'node:util'

export interface Patience {
  /** Milliseconds after which it is an error. */
  readonly within: number
  /** Milliseconds between two looks; 25 unless told. */
  readonly every?: number
}

/**
 * Looks until the condition is neither false, null nor undefined (and does not throw), and returns what it was.
 * The one place in the tests that polls. The error tells what was seen last.
 */
export async function eventually<Value>(
  condition: () => Value | Promise<Value>,
  { within, every = 25 }: Patience,
): Promise<NonNullable<Exclude<Value, false>>> {
  const end = performance.now() + within
  let seen: string
  let cause: unknown
  for (;;) {
    try {
      const value = await condition()
      if (value !== false && value !== null && value !== undefined) return value as NonNullable<Exclude<Value, false>>
      seen = `the last look gave ${inspect(value)}`
      cause = undefined
    } catch (error) {
      seen = `the last look threw ${error instanceof Error ? error.message : inspect(error)}`
      cause = error
    }
    if (performance.now() >= end) throw new Error(`not within ${within} ms: ${seen}`, { cause })
    await pause(every)
  }
}
