import type { Logger } from './log.ts'

interface Part {
  readonly name: string
  readonly close: (deadlineMs: number) => void | Promise<void>
}

/** What was started, to be stopped in reverse order and within a bound. */
export class Shutdown {
  readonly #parts: Part[] = []
  readonly #log: Logger
  readonly #timeoutMs: number
  #stopping: Promise<void> | undefined

  constructor(log: Logger, timeoutMs: number) {
    this.#log = log
    this.#timeoutMs = timeoutMs
  }

  /** To be closed before everything that was added earlier. */
  add(name: string, close: Part['close']): void {
    this.#parts.push({ name, close })
  }

  /** Never rejects; what does not end in time is left behind and named in the log. The same promise for every caller. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  async #stop(): Promise<void> {
    const end = performance.now() + this.#timeoutMs
    for (const { name, close } of this.#parts.reverse()) {
      // Even the last gets a moment: an engine that is cut off costs a recovery.
      const left = Math.max(end - performance.now(), 500)
      const late = Promise.withResolvers<'late'>()
      const timer = setTimeout(() => late.resolve('late'), left + 250)
      try {
        const ended = await Promise.race([Promise.resolve(close(left)), late.promise])
        if (ended === 'late') this.#log.warn({ part: name }, 'did not stop in time and is left behind')
      } catch (error) {
        this.#log.warn({ part: name, err: error }, 'did not stop cleanly')
      } finally {
        clearTimeout(timer)
      }
    }
  }
}
