import { ModelBroker } from '@rondo/bus/broker'
import { ModelDatabase } from '@rondo/ledger/database'
import type { Engine, Fault, Plan } from './plan.ts'
import { Process } from './process.ts'
import { Random } from './random.ts'
import { planRestore, type Restored } from './restore.ts'
import { Scheduler } from './scheduler.ts'
import { topic, type Version } from './services.ts'

/** A plan that grows: how long a process is down, and after how long the next one is. */
const [stopMs, betweenStopsMs] = [200, 700]

/** When it begins, in milliseconds since 1970. */
const epochMs = Date.parse('2026-11-25T09:00:00Z')

type Of<Kind extends Fault['fault']> = Extract<Fault, { fault: Kind }>

/** Engines and processes in virtual time, and what goes wrong with them, by the plan. */
export class World {
  readonly scheduler = new Scheduler()
  readonly plan: Plan
  readonly databases: Readonly<Record<'orders' | 'tally', ModelDatabase>>
  readonly broker: ModelBroker
  readonly story: string[] = []
  /** Orders that went back to an older copy. */
  readonly restored: Restored[] = []
  onRestored: (restored: Restored) => void = () => undefined
  readonly processes: (Process | undefined)[] = []
  /** The partition plan that who starts goes by. */
  partitions: number
  /** The version of the program that whoever starts runs. */
  version: Version = 1
  /** When everything has healed: nothing goes wrong from then on. */
  healed = false
  readonly #random: Random
  readonly #offsets: Record<Engine, number> = { orders: 0, tally: 0, bus: 0 }
  readonly #crashes: Of<'crash'>[]
  readonly #cuts: Of<'cut'>[]
  readonly #slow: readonly Of<'slow'>[]
  readonly #outages: readonly Of<'outage'>[]
  readonly #boot: (process: Process) => void
  #torn = new Map<number, number>()
  /** Nothing starts before. */
  #closedUntil = 0
  #lives = 0

  constructor(plan: Plan, boot: (process: Process) => void) {
    this.plan = plan
    this.partitions = plan.partitions
    this.#boot = boot
    this.#random = new Random(plan.seed * 31 + 7)
    const of = <Kind extends Fault['fault']>(kind: Kind) =>
      plan.decisions.filter((one): one is Of<Kind> => 'fault' in one && one.fault === kind)
    this.#crashes = of('crash')
    this.#cuts = of('cut')
    this.#slow = of('slow')
    this.#outages = of('outage')
    const clock = (engine: Engine) => () => epochMs + Math.floor(this.scheduler.now) + this.#offsets[engine]
    this.databases = { orders: new ModelDatabase(clock('orders')), tally: new ModelDatabase(clock('tally')) }
    this.broker = new ModelBroker(clock('bus'))
    for (const one of of('freeze')) this.at(one.at, () => this.#freeze(one))
    for (const one of of('stop')) this.at(one.at, () => this.#stop(one))
    for (const one of of('jump')) this.at(one.at, () => this.#jump(one))
    for (const one of of('move')) this.at(one.at, () => this.#move())
    for (const { engine, at } of this.#outages) if (engine !== 'bus') this.at(at, () => this.#crashServer(engine))
    for (const one of of('grow')) this.at(one.at, () => this.#grow(one))
    for (const one of of('raise')) this.at(one.at, () => this.#raise(one))
    for (const one of of('restore')) planRestore(this, one)
  }

  at(ms: number, run: () => void): void {
    this.scheduler.after(ms - this.scheduler.now, run)
  }

  tell(text: string): void {
    this.story.push(`${(this.scheduler.now / 1000).toFixed(3).padStart(8)} s  ${text}`)
  }

  start(slot: number): void {
    if (this.scheduler.now < this.#closedUntil) {
      this.at(this.#closedUntil, () => this.start(slot))
      return
    }
    const process = new Process(this, slot, ++this.#lives)
    this.processes[slot] = process
    this.tell(`${process.name} starts`)
    this.#boot(process)
  }

  /** Of one way between a process and an engine, in milliseconds. */
  delay(slot: number): number {
    const { now } = this.scheduler
    const slow = this.healed ? undefined : this.#slow.find((one) => one.process === slot && now >= one.at && now < one.at + one.ms)
    return 0.2 + this.#random.next() * (slow ? slow.by : 2)
  }

  isDeaf(): boolean {
    return !this.healed && this.#random.below(10) < this.plan.deaf
  }

  isDown(engine: Engine): boolean {
    const { now } = this.scheduler
    return !this.healed && this.#outages.some((one) => one.engine === engine && now >= one.at && now < one.at + one.ms)
  }

  crashAt(slot: number, request: number): Of<'crash'> | undefined {
    if (this.healed) return undefined
    const index = this.#crashes.findIndex((one) => one.process === slot && one.request === request)
    return index < 0 ? undefined : this.#crashes.splice(index, 1)[0]
  }

  cutOf(slot: number, engine: Engine, what: string): Of<'cut'> | undefined {
    if (this.healed) return undefined
    const fits = (one: Of<'cut'>) =>
      one.process === slot && one.engine === engine && (one.what ?? what) === what && one.at <= this.scheduler.now
    const index = this.#cuts.findIndex(fits)
    const [cut] = index < 0 ? [] : this.#cuts.splice(index, 1)
    if (!cut) return undefined
    this.tell(`p${slot}: ${what} of ${engine} is cut (${cut.how}, ${cut.ms} ms)`)
    if (cut.how === 'torn') this.#torn.set(slot, 1)
    return cut
  }

  /** Of a request to several partitions, how many take it. */
  torn(slot: number, parts: number): number | undefined {
    const torn = this.#torn.get(slot)
    this.#torn.delete(slot)
    return torn === undefined ? undefined : Math.min(torn, parts)
  }

  crash(process: Process, { downMs }: { readonly downMs: number }, why: string): void {
    this.tell(`${process.name} crashes ${why}`)
    process.end()
    this.scheduler.after(this.healed ? 0 : downMs, () => this.start(process.slot))
  }

  /** Whatever runs is stopped and starts again after so long; what would start meanwhile does so then. */
  stopAll(ms: number): void {
    this.tell('everything is stopped')
    this.#closedUntil = this.scheduler.now + ms
    for (const process of this.processes) {
      if (!process?.alive) continue
      process.end()
      this.start(process.slot)
    }
  }

  hasRestored(restored: Restored): void {
    this.restored.push(restored)
    this.onRestored(restored)
  }

  #freeze({ process: slot, ms }: Of<'freeze'>): void {
    const process = this.processes[slot]
    if (this.healed || !process?.alive) return
    this.tell(`${process.name} stands still for ${ms} ms`)
    process.freeze(this.scheduler.now + ms)
  }

  #stop(one: Of<'stop'>): void {
    const process = this.processes[one.process]
    if (!this.healed && process?.alive) this.crash(process, one, 'as it is told to')
  }

  #jump({ engine, ms }: Of<'jump'>): void {
    this.tell(`the clock of ${engine} jumps by ${ms} ms`)
    this.#offsets[engine] += ms
  }

  /** What need not have been on its disk is not there when it comes back. */
  #crashServer(engine: 'orders' | 'tally'): void {
    if (!this.healed) this.databases[engine].crash()
  }

  /** Topics first, as each process that starts makes sure of them; then one process after the other. */
  #grow({ by }: Of<'grow'>): void {
    this.partitions += by
    this.tell(`the partition plan grows to ${this.partitions}`)
    this.broker.ensure({ name: topic, partitions: this.partitions })
    this.#restartEach(betweenStopsMs, 'to go on by the larger plan')
  }

  #raise({ apartMs }: Of<'raise'>): void {
    this.version = 2
    this.tell('a newer version is there')
    this.#restartEach(apartMs, 'to go on by the newer version')
  }

  #restartEach(apartMs: number, why: string): void {
    for (const slot of this.processes.keys()) {
      this.scheduler.after(slot * apartMs, () => {
        const process = this.processes[slot]
        if (process?.alive) this.crash(process, { downMs: stopMs }, `as it is told to, ${why}`)
      })
    }
  }

  #move(): void {
    this.tell('the group forgets its members')
    this.broker.forgetMembers()
  }
}
