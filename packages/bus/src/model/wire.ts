/** The way from a process to an engine and back. Whoever makes one decides how long it takes, and what gets lost. */
export interface Wire {
  /** Has it done over there, and resolves with the answer. Rejects with `Cut` where the reply was lost: then it was done, is not, or will be. */
  call<Answer>(what: string, done: () => Answer | Promise<Answer>): Promise<Answer>
  /** Tells the process something unasked; may get lost. */
  notice(run: () => void): void
  /** Of the parts of one request, how many are done before it fails; undefined: all. */
  torn(parts: number): number | undefined
}

/** As the drivers report a connection that broke. */
export class Cut extends Error {
  override readonly name = 'Cut'
  readonly code = 'ECONNRESET'
}

/** Nothing gets lost, and everything happens in the next turn of the event loop. */
export const soundWire: Wire = {
  async call(_, done) {
    await new Promise((resolve) => setImmediate(resolve))
    return done()
  },
  notice: (run) => void setImmediate(run),
  torn: () => undefined,
}
