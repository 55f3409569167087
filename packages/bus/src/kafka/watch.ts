/** One beat for all members of a process: what they ask the broker for in the same turn is asked once. */
export class Watch {
  readonly #every: number
  readonly #looks = new Set<() => void>()
  #timer: NodeJS.Timeout | undefined

  /** `every`: milliseconds. */
  constructor(every: number) {
    this.#every = every
  }

  /** Looks at each beat until the returned function is called. */
  add(look: () => void): () => void {
    this.#looks.add(look)
    this.#timer ??= setInterval(() => {
      for (const one of this.#looks) one()
    }, this.#every)
    return () => {
      this.#looks.delete(look)
      if (this.#looks.size > 0) return
      clearInterval(this.#timer)
      this.#timer = undefined
    }
  }
}
