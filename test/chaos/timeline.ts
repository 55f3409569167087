/** What happened when, for whoever asks where the time of a run goes. */
export class Timeline {
  readonly #begin = performance.now()
  readonly #lines: string[] = []

  /** Seconds since it began. */
  get now(): number {
    return (performance.now() - this.#begin) / 1000
  }
  get lines(): readonly string[] {
    return this.#lines
  }
  note(what: string): void {
    this.#lines.push(`${this.now.toFixed(2).padStart(8)}  ${what}`)
  }
  /** Notes when it begins, and when it ends or fails. */
  async span<Result>(what: string, work: () => Promise<Result>): Promise<Result> {
    const from = this.now
    this.note(`begins: ${what}`)
    try {
      const result = await work()
      this.note(`ends after ${(this.now - from).toFixed(1)} s: ${what}`)
      return result
    } catch (error) {
      this.note(`fails after ${(this.now - from).toFixed(1)} s: ${what}: ${error instanceof Error ? error.message : String(error)}`)
      throw error
    }
  }
}
