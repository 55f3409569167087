/** One piece of work of a lane, as those that come after it see it. */
export interface Ahead {
  /** Resolves when it was handed to the writer (or will not be): then the next one may be, and stands behind it. Undefined: it was. */
  readonly handed: Promise<void> | undefined
  /** Resolves when it is durable; rejects with `Behind` when it cannot be now, and so nothing behind it can. */
  readonly settled: Promise<void>
}
/** Something ahead of it failed: it is not to blame. */
export class Behind extends Error {
  override readonly name = 'Behind'
}
const nothing: Ahead = { handed: undefined, settled: Promise.resolve() }

/** A work's own place in its lane. */
export interface Turn {
  readonly ahead: Ahead
  /** It stands where whoever comes after it may stand behind it. */
  handOver(): void
}

type Job = (turn: Turn) => Promise<void>

/** Promises for others are made when somebody asks: most never wait, and there is one of these for each fact that is read. */
class Going implements Ahead, Turn {
  readonly keys: readonly string[]
  readonly ended: Promise<void>
  /** It has ended well. */
  isDone = false
  ahead: Ahead
  #isHanded = false
  #handing: PromiseWithResolvers<void> | undefined

  constructor(keys: readonly string[], job: Job, ahead: Ahead) {
    this.keys = keys
    this.ahead = ahead
    this.ended = job(this)
    this.ended.then(
      () => {
        this.isDone = true
        this.#leave()
      },
      () => this.#leave(),
    )
  }

  get handed(): Promise<void> | undefined {
    if (this.#isHanded) return undefined
    this.#handing ??= Promise.withResolvers()
    return this.#handing.promise
  }

  get settled(): Promise<void> {
    return this.ended.catch((error: unknown) => {
      throw new Behind('what is ahead of it failed', { cause: error })
    })
  }

  handOver(): void {
    this.#isHanded = true
    this.#handing?.resolve()
  }

  #leave(): void {
    // Whoever holds the last of a lane would hold all that ever were in it
    this.ahead = nothing
    this.handOver()
  }
}

/**
 * Works of one partition that are on their way at the same time: begun at once, handed over in their order, each settled in its own time.
 * At most `size` of them, and never two of one key.
 */
export class InFlight {
  readonly #size: number
  readonly #works: Going[] = []
  readonly #keys = new Set<string>()
  #last: Ahead = nothing

  constructor(size: number) {
    this.#size = size
  }

  /**
   * A work of these keys. Undefined: there was room, and it has begun. Else it begins when there is; rejects when one that had to be waited
   * for has failed.
   */
  add(keys: readonly string[], job: Job): Promise<void> | undefined {
    if (!this.#hasRoom(keys)) return this.#addLater(keys, job)
    const work = new Going(keys, job, this.#last)
    this.#works.push(work)
    for (const key of keys) this.#keys.add(key)
    this.#last = work
    return undefined
  }

  /** Resolves when nothing is on its way any more; rejects with the first failure, after all have come to an end. */
  async drain(): Promise<void> {
    const all = this.#works.splice(0)
    this.#keys.clear()
    this.#last = nothing
    const ended = await Promise.allSettled(all.map((work) => work.ended))
    const failed = ended.find((one) => one.status === 'rejected')
    if (failed) throw failed.reason
  }

  async #addLater(keys: readonly string[], job: Job): Promise<void> {
    while (!this.#hasRoom(keys)) await this.#works[0]?.ended
    await this.add(keys, job)
  }

  #hasRoom(keys: readonly string[]): boolean {
    for (let oldest = this.#works[0]; oldest?.isDone; oldest = this.#works[0]) {
      this.#works.shift()
      for (const key of oldest.keys) this.#keys.delete(key)
    }
    return this.#works.length < this.#size && !keys.some((key) => this.#keys.has(key))
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
