import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** What happened when, for whoever asks where the time of a run goes; also of one that is ended half way. */
export class Timeline {
  readonly #begin = performance.now()
  readonly #file: string

  constructor(folder: string) {
    mkdirSync(folder, { recursive: true })
    this.#file = join(folder, 'timeline.log')
    writeFileSync(this.#file, '')
  }

  /** Seconds since it began. */
  get now(): number {
    return (performance.now() - this.#begin) / 1000
  }
  note(what: string): void {
    appendFileSync(this.#file, `${this.now.toFixed(2).padStart(8)}  ${what}\n`)
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
