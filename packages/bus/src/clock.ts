import { randomUUID } from 'node:crypto'

/** Time as a process sees it, what it does later, and names that nobody else has. Whoever gives another one decides when things happen. */
export interface Clock {
  /** Milliseconds that only grow. */
  now(): number
  /** Calls once, so many milliseconds from now; the returned function takes it back. */
  after(ms: number, run: () => void): () => void
  /** As `after`, but does not keep the process alive. */
  aside(ms: number, run: () => void): () => void
  /** Resolves in a later turn of the event loop, when all that was ready has run. */
  turn(): Promise<void>
  name(): string
}

export const realClock: Clock = {
  now: () => performance.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms)
    return () => clearTimeout(timer)
  },
  aside(ms, run) {
    const timer = setTimeout(run, ms).unref()
    return () => clearTimeout(timer)
  },
  turn: () => new Promise((resolve) => setImmediate(resolve)),
  name: () => randomUUID(),
}

export const pause = (clock: Clock, ms: number): Promise<void> => new Promise((resolve) => void clock.after(ms, resolve))

/** Calls again and again, until the returned function is called. */
export function every(clock: Clock, ms: number, run: () => void, later: 'after' | 'aside' = 'after'): () => void {
  let cancel = () => {}
  const next = () => {
    cancel = clock[later](ms, () => {
      next()
      run()
    })
  }
  next()
  return () => cancel()
}
