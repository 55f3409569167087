import { DomainError, type Envelope } from '@rondo/kernel'
import { envelopesOf, freshOf } from './append.ts'
import { type Batch, decideBatch, type Outcome, type Work } from './batch.ts'
import { backoff, commit } from './commit.ts'
import type { Database } from './database.ts'
import type { UnitDecision } from './decision.ts'
import type { TimerRow } from './derived.ts'
import { Defect, isDown, unavailable } from './failure.ts'
import { isHeld, type Known } from './known.ts'
import { type Loaded, load } from './load.ts'
import { type Loss, losersOf, renewed } from './losers.ts'
import type { Applied, Unit } from './port.ts'
import type { LedgerRules } from './rules.ts'
import type { Fresh, Written } from './store.ts'
import { WaitingUnits } from './waiting.ts'

interface Waiting extends Work {
  /** How often it was lost to somebody else. */
  readonly tries: number
  readonly resolve: (applied: Applied) => void
  readonly reject: (error: Error) => void
}
type LostWorks = Map<Waiting, Loss>
/** Told of each batch with events: the last position, and what was written, where it can be sent as it is. */
type Committing = (position: number, written: Fresh | undefined) => void

const maxBatch = 500
const maxWaiting = 20_000

const asFailure = (error: unknown, what: string): Error =>
  error instanceof DomainError || error instanceof Defect
    ? error
    : new Defect(`${what}: ${error instanceof Error ? error.message : error}`, { cause: error })

/** Below this many that wait, one batch at a time is faster: each commit is a flush of the disk, and they queue for the head row. */
const worthALane = 64
const maxLanes = 2

/** Milliseconds that what nobody waits for makes way, and waits for company. */
const patienceMs = 20
/** It only moves a checkpoint, or notes what was read. */
const isPatient = ({ unit: { checkpoint, messages } }: Work): boolean => checkpoint !== undefined && messages.length === 0

/**
 * The one writer of a service in a process: gathers what waits, decides it in memory, writes it in one statement.
 * While one batch is on its way the next one gathers; a message that comes alone goes at once. Where many wait, two batches that have
 * no stream in common are on their way: one is decided while the database writes the other.
 */
export class Writer {
  readonly #waiting = new WaitingUnits<Waiting>()
  #lanes = 0
  /** Batches on their way. */
  #busy = 0
  /** Units that came since a lane was last started: whether another look is worth it. */
  #came = 0
  /** Batches with events. */
  #recorded = 0
  #closed = false
  /** Ends the patience of those that wait for company. */
  #hurry: (() => void) | undefined
  #drained: PromiseWithResolvers<void> | undefined
  readonly #database: Database
  readonly #rules: LedgerRules
  readonly #known: Known
  readonly #committed: Committing

  constructor(database: Database, rules: LedgerRules, known: Known, committed: Committing) {
    this.#database = database
    this.#rules = rules
    this.#known = known
    this.#committed = committed
  }

  submit(unit: Unit, timer?: TimerRow): Promise<Applied> {
    if (this.#closed) return Promise.reject(unavailable('the ledger is closed'))
    if (this.#waiting.length >= maxWaiting)
      return Promise.reject(new DomainError('overloaded', `${maxWaiting} messages wait already: nothing was done, try again`))
    return new Promise((resolve, reject) => {
      const waiting = timer ? { unit, timer, tries: 0, resolve, reject } : { unit, tries: 0, resolve, reject }
      this.#waiting.push(waiting)
      this.#came++
      if (!isPatient(waiting) || this.#waiting.length >= worthALane) this.#hurry?.()
      if (this.#lanes === 0 || (this.#lanes < maxLanes && this.#came >= worthALane)) this.#start()
    })
  }

  /** Takes nothing more and resolves when all that waited is answered. */
  async close(): Promise<void> {
    this.#closed = true
    this.#hurry?.()
    if (this.#lanes === 0) return
    this.#drained ??= Promise.withResolvers()
    await this.#drained.promise
  }

  #start(): void {
    this.#came = 0
    this.#lanes++
    void this.#run()
  }

  async #run(): Promise<void> {
    // Whoever was answered just now may bring the next message within this turn of the event loop
    const { clock, way } = this.#database
    for (await clock.turn(); ; await clock.turn()) {
      if (!this.#closed && this.#waiting.isSmall(worthALane, isPatient)) await this.#company()
      if (this.#waiting.length > 0 && this.#waiting.length < worthALane) await way?.clear()
      const works = this.#take()
      if (works.length === 0) break
      this.#busy++
      const before = this.#recorded
      way?.enter()
      try {
        await this.#process(works)
      } catch (error) {
        const failed = isDown(error) ? unavailable('the database does not answer', error) : asFailure(error, 'the batch failed')
        for (const work of works) work.reject(failed)
      }
      // Else the relay leaves it, when that is sent
      if (this.#recorded === before) way?.leave()
      this.#busy--
      this.#waiting.release(works)
    }
    // At once: whoever comes next has to see that nobody looks any more
    this.#lanes--
    if (this.#lanes === 0) this.#drained?.resolve()
  }

  /** A write of their own would hold up what others wait for, and soon something comes with which they cost nearly nothing. */
  async #company(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#hurry = resolve
    const cancel = this.#database.clock.after(patienceMs, resolve)
    await promise
    cancel()
    this.#hurry = undefined
  }

  /** All that waits; where a second batch is worth it and none is on its way, half of it. */
  #take(): readonly Waiting[] {
    if (this.#waiting.length < 2 * worthALane || this.#busy > 0) return this.#waiting.take(maxBatch)
    if (this.#lanes < maxLanes) this.#start()
    return this.#waiting.takeHalf(maxBatch)
  }

  /** A small batch is decided on what is known or guessed; where that does not hold it is loaded, at once and once. */
  async #process(works: readonly Waiting[]): Promise<void> {
    const guessed = this.#known.guess(works)
    if (guessed) {
      const isWritten = await this.#writeGuess(works, guessed)
      this.#known.guessed(works.length, isWritten)
      if (isWritten) return
    }
    await this.#processLoaded(await this.#readAgain(works))
  }

  /** Without what rests on anything that was not looked up: the load says nothing of that. */
  async #readAgain(works: readonly Waiting[]): Promise<readonly Waiting[]> {
    const all = await Promise.allSettled(
      works.map(async (work) => {
        const { rests, ...unit } = work.unit
        if (!rests) return work
        if (!unit.again) throw new Defect('it rests on what was not looked up, and cannot be run again')
        return { ...work, unit: { ...unit, messages: await unit.again() } }
      }),
    )
    return works.flatMap((work, index) => {
      const one = all[index]
      if (one?.status === 'fulfilled') return [one.value]
      work.reject(asFailure(one?.reason, `unit ${work.unit.id} cannot be run again`))
      return []
    })
  }

  /** False: nothing was written, nobody was answered. */
  async #writeGuess(works: readonly Waiting[], guessed: Loaded): Promise<boolean> {
    const batch = decideBatch(works, guessed, this.#rules)
    if (!isHeld(batch)) return false
    const result = await commit(this.#database, works, batch, this.#rules)
    if (!('written' in result)) return false
    this.#answer(works, batch, result, new Map())
    this.#database.onBatch?.({ written: works.length, lost: 0 })
    return true
  }

  async #processLoaded(works: readonly Waiting[]): Promise<void> {
    const loaded = await this.#load(works)
    let rest = works
    const lost: LostWorks = new Map()
    let written = 0
    while (rest.length > 0) {
      const batch = decideBatch(rest, loaded, this.#rules)
      const result = await commit(this.#database, rest, batch, this.#rules)
      if ('written' in result) {
        this.#answer(rest, batch, result, lost)
        written = rest.filter((work) => !lost.has(work)).length
        break
      }
      if ('refused' in result) throw result.refused
      if ('failed' in result) {
        await this.#halve(rest, result.failed)
        break
      }
      const losers = losersOf(rest, batch, result.lost)
      if (losers.size === 0) throw new Error(`nobody lost ${JSON.stringify(result.lost)}`)
      for (const [work, key] of losers) lost.set(work, key)
      rest = rest.filter((work) => !losers.has(work))
    }
    this.#database.onBatch?.({ written, lost: lost.size })
    if (lost.size > 0) await this.#putOff(works, lost)
  }

  /** Until the culprit stands alone. */
  async #halve(works: readonly Waiting[], error: unknown): Promise<void> {
    const [alone] = works
    if (works.length === 1 && alone) return alone.reject(asFailure(error, `unit ${alone.unit.id} cannot be written`))
    const half = Math.ceil(works.length / 2)
    await this.#processLoaded(works.slice(0, half))
    await this.#processLoaded(works.slice(half))
  }

  /** A broken idle connection is met here first; it is worth a second try. */
  async #load(works: readonly Waiting[]): Promise<Loaded> {
    const units = works.map(({ unit }) => unit)
    for (let attempt = 0; ; attempt++) {
      try {
        const loaded = await load(this.#database.store, units)
        this.#known.loaded(units, loaded)
        return loaded
      } catch (error) {
        if (!isDown(error) || attempt === 2) throw error
        await backoff(this.#database.clock, attempt)
      }
    }
  }

  #answer(works: readonly Waiting[], batch: Batch, { written, at }: { written: Written; at: number }, lost: LostWorks): void {
    this.#known.wrote(works, batch, written)
    const events = envelopesOf(batch.events, written)
    let from = 0
    works.forEach((work, index) => {
      const outcome = batch.outcomes[index]
      if (!outcome || outcome.kind === 'later') lost.set(work, outcome?.lostKey)
      else if (outcome.kind === 'applied') {
        const { events: own, results } = outcome.decision
        // In the order of the units; what a refusal has left stands between them
        if (own.length > 0) while (batch.events[from] !== own[0]) from++
        const { repeated } = outcome
        const applied = { duplicate: false, results: writtenBy(results, events, from) }
        work.resolve(repeated === undefined ? applied : { ...applied, repeated })
        from += own.length
      } else settle(work, outcome)
    })
    if (events.length === 0) return
    this.#recorded++
    this.#committed(written.position + events.length, freshOf(events, written, at))
  }

  /** Losers go to the front of the queue, in their order. */
  async #putOff(works: readonly Waiting[], lost: LostWorks): Promise<void> {
    const losers = works.filter((work) => lost.has(work))
    const next = await Promise.allSettled(losers.map((work) => renewed(work.unit, work.tries + 1, lost.get(work))))
    const again = losers.flatMap((work, index) => {
      const result = next[index]
      if (result?.status === 'fulfilled') return [{ ...work, unit: result.value, tries: work.tries + 1 }]
      work.reject(asFailure(result?.reason, `unit ${work.unit.id} cannot be run again`))
      return []
    })
    this.#waiting.putBack(again)
  }
}

/** What each message wrote, of the batch's events from a place on. */
function writtenBy(results: UnitDecision['results'], events: readonly Envelope[], from: number): Applied['results'] {
  let begin = from
  return results.map(({ streamId, version, events: { length } }) => {
    begin += length
    return { streamId, version, events: events.slice(begin - length, begin) }
  })
}

function settle(work: Waiting, outcome: Extract<Outcome, { kind: 'rejected' | 'duplicate' }>): void {
  if (outcome.kind === 'rejected') work.reject(outcome.error)
  else work.resolve({ duplicate: true, results: outcome.results.map((result) => ({ ...result, events: [] })) })
}
