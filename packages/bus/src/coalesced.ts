/** A task that is asked for often and runs once at a time: what is asked for during a run makes one more run. It must not reject. */
export class Coalesced {
  readonly #task: () => Promise<void>
  #running: Promise<void> | undefined
  #asked = false

  constructor(task: () => Promise<void>) {
    this.#task = task
  }

  ask(): void {
    this.#asked = true
    this.#running ??= this.#run()
  }

  /** Resolves when nothing runs. */
  async idle(): Promise<void> {
    await this.#running
  }

  async #run(): Promise<void> {
    while (this.#asked) {
      this.#asked = false
      await this.#task()
    }
    this.#running = undefined
  }
}
