import type { Clock } from '@rondo/bus'
import { Cut, type Wire } from '@rondo/bus/wire'
import type { Engine, Fault } from './plan.ts'
import type { Version } from './services.ts'
import type { World } from './world.ts'

type Cutting = Extract<Fault, { fault: 'cut' }>
type Crash = Extract<Fault, { fault: 'crash' }>

/** One life of a process: what it waits for comes to it only while it lives, and late while it is frozen. */
export class Process {
  readonly slot: number
  readonly name: string
  readonly version: Version
  /** Ends its open transactions, as the servers do when its connections break. */
  readonly sessions = new Set<() => void>()
  readonly died = Promise.withResolvers<void>()
  alive = true
  requests = 0
  readonly #world: World
  #frozenUntil = 0
  #names = 0

  constructor(world: World, slot: number, life: number) {
    this.#world = world
    this.slot = slot
    this.name = `p${slot}.${life}`
    this.version = world.version
  }

  end(): void {
    if (!this.alive) return
    this.alive = false
    for (const end of [...this.sessions]) end()
    this.died.resolve()
  }

  freeze(until: number): void {
    this.#frozenUntil = until
  }

  readonly clock: Clock = {
    now: () => this.#world.scheduler.now + this.slot * this.#world.plan.skewMs,
    after: (ms, run) => this.#later(ms, run),
    aside: (ms, run) => this.#later(ms, run),
    turn: () => new Promise((resolve) => void this.#later(0, resolve)),
    name: () => `${this.name}/${++this.#names}`,
  }

  /** To an engine and back. */
  wire(engine: Engine): Wire {
    return {
      call: (what, done) => this.#call(engine, what, done),
      notice: (run) => {
        if (!this.#world.isDeaf()) this.#later(this.#world.delay(this.slot), run)
      },
      torn: (parts) => this.#world.torn(this.slot, parts),
    }
  }

  /** Runs while it lives; what comes while it is frozen comes when it is not. */
  #later(ms: number, run: () => void): () => void {
    let cancelled = false
    const arrive = () => {
      if (cancelled || !this.alive) return
      if (this.#world.scheduler.now < this.#frozenUntil) this.#world.scheduler.after(this.#frozenUntil - this.#world.scheduler.now, arrive)
      else run()
    }
    const cancel = this.#world.scheduler.after(ms, arrive)
    return () => {
      cancelled = true
      cancel()
    }
  }

  #call<Answer>(engine: Engine, what: string, done: () => Answer | Promise<Answer>): Promise<Answer> {
    const world = this.#world
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    if (!this.alive) return promise
    const crash = world.crashAt(this.slot, this.requests++)
    if (crash && !crash.done) {
      world.crash(this, crash, `before it asked for ${what}`)
      return promise
    }
    const cut = world.cutOf(this.slot, engine, what)
    const fail = (ms: number) => void this.#later(ms, () => reject(new Cut(`Connection terminated (${what})`)))
    if (cut?.how === 'request') fail(cut.ms)
    else if (cut?.how === 'late') {
      fail(1)
      world.scheduler.after(cut.ms, () => void settled(done))
    } else
      world.scheduler.after(world.delay(this.slot), () => void this.#arrived(engine, what, done, { cut, crash, resolve, reject, fail }))
    return promise
  }

  /** At the engine. */
  async #arrived<Answer>(
    engine: Engine,
    what: string,
    done: () => Answer | Promise<Answer>,
    { cut, crash, resolve, reject, fail }: Pending<Answer>,
  ): Promise<void> {
    const world = this.#world
    if (world.isDown(engine)) return fail(5)
    const outcome = await settled(done)
    if (cut?.how === 'twice') world.scheduler.after(cut.ms, () => void settled(done))
    if (crash) return world.crash(this, crash, `when ${what} was done and it had not heard`)
    if (cut?.how === 'reply') return fail(cut.ms)
    this.#later(world.delay(this.slot), () => {
      if ('error' in outcome) reject(outcome.error)
      else resolve(outcome.answer)
    })
  }
}

interface Pending<Answer> {
  readonly cut: Cutting | undefined
  readonly crash: Crash | undefined
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: unknown) => void
  readonly fail: (ms: number) => void
}

async function settled<Answer>(done: () => Answer | Promise<Answer>): Promise<{ answer: Answer } | { error: unknown }> {
  try {
    return { answer: await done() }
  } catch (error) {
    return { error }
  }
}
