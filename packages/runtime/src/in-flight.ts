/** One piece of work of a lane, as those that come after it see it. */
export interface Ahead {
  /** Resolves when it was handed to the writer (or will not be): then the next one may be, and stands behind it. */
  readonly handed: Promise<void>
  /** Resolves when it is durable; rejects with `Behind` when it cannot be now, and so nothing behind it can. */
  readonly settled: Promise<void>
}
/** Something ahead of it failed: it is not to blame. */
export class Behind extends Error {
  override readonly name = 'Behind'
}
const nothing: Ahead = { handed: Promise.resolve(), settled: Promise.resolve() }

/**
 * Works of one partition that are on their way at the same time: begun at once, handed over in their order, each settled in its own time.
 * At most `size` of them, and never two of one key.
 */
export class InFlight {
  readonly #size: number
  readonly #works: { readonly key: string; readonly settled: Promise<void> }[] = []
  #last: Ahead = nothing

  constructor(size: number) {
    this.#size = size
  }

  /** Begins when there is room. Rejects when one that had to be waited for has failed. */
  async add(key: string, work: (ahead: Ahead, handOver: () => void) => Promise<void>): Promise<void> {
    const same = this.#works.findIndex((one) => one.key === key)
    await this.#settle(Math.max(same + 1, this.#works.length - this.#size + 1))
    const ahead = this.#last
    const { promise: handed, resolve: handOver } = Promise.withResolvers<void>()
    const settled = work(ahead, handOver).finally(handOver)
    const forOthers = settled.catch((error: unknown) => {
      throw new Behind('what is ahead of it failed', { cause: error })
    })
    // Whoever waits is told; nobody has to wait
    for (const one of [settled, forOthers]) one.catch(() => undefined)
    this.#works.push({ key, settled })
    this.#last = { handed, settled: forOthers }
  }

  /** Resolves when nothing is on its way any more; rejects with the first failure, after all have come to an end. */
  async drain(): Promise<void> {
    const all = this.#works.splice(0)
    this.#last = nothing
    const ended = await Promise.allSettled(all.map(({ settled }) => settled))
    const failed = ended.find((one) => one.status === 'rejected')
    if (failed) throw failed.reason
  }

  async #settle(count: number): Promise<void> {
    for (let n = 0; n < count; n += 1) {
      const [oldest] = this.#works
      await oldest?.settled
      this.#works.shift()
    }
  }
}

/** At most `most` of them at a time, in the order in which they were asked for. */
export function limiter(most: number): <Result>(work: () => Promise<Result>) => Promise<Result> {
  let running = 0
  const waiting: (() => void)[] = []
  return async (work) => {
    if (running >= most) await new Promise<void>((resolve) => waiting.push(resolve))
    else running += 1
    try {
      return await work()
    } finally {
      // Whoever waits takes the place over
      const next = waiting.shift()
      if (next) next()
      else running -= 1
    }
  }
}
