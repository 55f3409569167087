import { type Clock, realClock } from './clock.ts'

/** Waits for the work, but not longer; what becomes of it afterwards is not looked at. */
export async function bounded(work: Promise<unknown>, milliseconds: number, clock: Clock = realClock): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const cancel = clock.after(milliseconds, resolve)
  try {
    await Promise.race([work, promise])
  } finally {
    cancel()
  }
}
