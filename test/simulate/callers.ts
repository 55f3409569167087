import { toIntakeRecord } from '@rondo/contracts/cloudevents'
import { DomainError } from '@rondo/kernel'
import type { Applied, Unit } from '@rondo/ledger'
import type { Acknowledged, AcknowledgedIntake, Refused, Unknown, Violation } from '@rondo/testkit/history'
import type { Application } from './application.ts'
import { operate } from './operator.ts'
import type { Step } from './plan.ts'
import type { Process } from './process.ts'
import type { Restored } from './restore.ts'
import { signal } from './services.ts'
import type { World } from './world.ts'

const mostTries = 6
const patienceMs = 6_000
const betweenMs = 400
const later: readonly string[] = ['unavailable', 'overloaded', 'conflict']

/** Callers that ask again under the same id while nobody has told them anything, and write down what they were told. */
export class Callers {
  readonly acknowledged: Acknowledged[] = []
  readonly refused: Refused[] = []
  readonly unknown: Unknown[] = []
  readonly intake: AcknowledgedIntake[] = []
  /** Acknowledged, and without an effect. */
  readonly unheeded: string[] = []
  /** Answers that are none. */
  readonly broken: Violation[] = []
  /** Who still waits. */
  waiting = 0
  readonly #world: World
  readonly #running: ReadonlyMap<Process, Promise<Application | undefined>>

  constructor(world: World, running: ReadonlyMap<Process, Promise<Application | undefined>>) {
    this.#world = world
    this.#running = running
    world.onRestored = (restored) => this.#forget(restored)
    for (const one of world.plan.decisions) {
      if (!('step' in one)) continue
      this.waiting += 1
      world.at(one.at, () => void this.#done(one))
    }
  }

  /** What was told of what an older copy does not hold is void; refusals are looked up in what was kept. */
  #forget({ kept }: Restored): void {
    const [ids, causes] = [new Set(kept.map(({ id }) => id)), new Set(kept.map(({ causationId }) => causationId))]
    const isKept = ({ events, messageId }: Acknowledged) => events?.every(({ id }) => ids.has(id)) ?? causes.has(messageId)
    // Who left nothing may leave something when it is asked anew
    const still = this.acknowledged
      .filter(isKept)
      .map(({ results, ...one }) => (results && one.events?.length !== 0 ? { ...one, results } : one))
    this.acknowledged.splice(0, Number.POSITIVE_INFINITY, ...still)
    this.refused.splice(0)
  }

  async #done(step: Step): Promise<void> {
    try {
      await this.#does(step)
    } catch (error) {
      this.broken.push({ promise: 1, what: `${step.id} was answered with ${error}` })
    }
    this.waiting -= 1
  }

  async #does(step: Step): Promise<void> {
    if (step.step === 'ask') await this.#ask(step)
    else if (step.step === 'intake') await Promise.all([this.#send(step), this.#sendUnheeded(step)])
    else await this.#tried(step.process, async (application) => (await operate(this.#world, application)) ?? true)
  }

  async #ask(step: Extract<Step, { step: 'ask' }>): Promise<void> {
    const { id: messageId, rule, order, value } = step
    const unit: Omit<Unit, 'messages'> = {
      id: messageId,
      hash: `${rule} ${order} ${value}`,
      remember: true,
      cause: { actor: 'person:ada', correlationId: messageId, causationId: messageId },
    }
    const service = 'orders'
    const answer = await this.#tried(step.process, ({ program, submit }) => submit({ ...unit, messages: program.messagesOf(step) }))
    this.#world.tell(`${messageId} (${rule} ${order} ${value}): ${shown(answer)}`)
    if (answer instanceof DomainError) {
      // Under an id that was used before, the first stands
      if (answer.code !== 'id_reused' && !this.#isShared(step)) this.refused.push({ messageId, service, code: answer.code })
    } else if (answer)
      this.acknowledged.push({
        messageId,
        service,
        results: versionsOf(answer),
        ...eventsOf(answer, rule),
        ...(rule === 'place' ? { claims: [`number ${value}`] } : {}),
      })
    else this.unknown.push({ messageId, service })
  }

  /** Another content is asked under the same id: what became of the one says nothing of the other. */
  #isShared({ id, value }: Extract<Step, { step: 'ask' }>): boolean {
    return this.#world.plan.decisions.some((one) => 'step' in one && one.step === 'ask' && one.id === id && one.value !== value)
  }

  /** Of no interest to anybody; as the edge sends it, with the hash of its content. */
  async #sendUnheeded({ id, key, process }: Extract<Step, { step: 'intake' }>): Promise<void> {
    const eventId = `unheeded ${id}`
    const record = toIntakeRecord({
      id: eventId,
      key,
      type: 'rondo.intake.signal.unheeded',
      schemaVersion: 1,
      data: {},
      occurredAt: '2026-11-25T09:00:00.000000Z',
      actor: 'service:ci',
      correlationId: eventId,
      causationId: eventId,
      loopIds: [],
      contentHash: `hash of ${eventId}`,
    })
    const places = await this.#tried(process, (application) => application.bus.send('rondo.intake.v1', [record, record]))
    if (Array.isArray(places)) this.unheeded.push(eventId)
  }

  async #send({ id: messageId, key, text, process, times }: Extract<Step, { step: 'intake' }>): Promise<void> {
    const record = toIntakeRecord({
      id: messageId,
      key,
      type: signal.heard.base,
      schemaVersion: signal.heard.version,
      data: { to: key, text },
      occurredAt: '2026-11-25T09:00:00.000000Z',
      actor: 'service:ci',
      correlationId: messageId,
      causationId: messageId,
      loopIds: [],
    })
    for (let n = 0; n < times; n++) {
      const places = await this.#tried(process, (application) => application.bus.send('rondo.intake.v1', [record]))
      this.#world.tell(`${messageId} (${key} ${text}): ${places ? 'acknowledged by the bus' : 'nobody has said anything'}`)
      if (Array.isArray(places) && n === 0) this.intake.push({ messageId, topic: 'rondo.intake.v1', type: signal.heard.base, key })
    }
  }

  /** Undefined: nobody has told anything in the end. */
  async #tried<Answer>(slot: number, call: (application: Application) => Promise<Answer>): Promise<Answer | DomainError | undefined> {
    const { processes, scheduler } = this.#world
    for (let n = 0; n < mostTries; n++) {
      const process = processes[(slot + n) % processes.length]
      if (process?.alive) {
        const over = new Promise<undefined>((resolve) => void scheduler.after(patienceMs, () => resolve(undefined)))
        const answer = await Promise.race([this.#called(process, call), process.died.promise.then(() => undefined), over])
        if (answer !== undefined) return answer
      }
      await new Promise<void>((resolve) => void scheduler.after(betweenMs * (n + 1), resolve))
    }
    return undefined
  }

  async #called<Answer>(process: Process, call: (application: Application) => Promise<Answer>): Promise<Answer | DomainError | undefined> {
    const application = await this.#running.get(process)
    if (!application) return undefined
    try {
      return await call(application)
    } catch (error) {
      if (error instanceof DomainError) return later.includes(error.code) ? undefined : error
      if (error instanceof Error && 'code' in error && error.code === 'unavailable') return undefined
      throw error
    }
  }
}

const versionsOf = ({ results }: Applied) => results.map(({ streamId, version }) => ({ streamId, version }))

/** A duplicate is not told its events again; there need not be any where its first may have left nothing. */
function eventsOf({ duplicate, results }: Applied, rule: Extract<Step, { step: 'ask' }>['rule']): Pick<Acknowledged, 'events'> {
  if (duplicate) return rule === 'settle' ? { events: [] } : {}
  return { events: results.flatMap(({ events }) => events.map(({ stream, streamId, version, id }) => ({ stream, streamId, version, id }))) }
}

function shown(answer: Applied | DomainError | undefined): string {
  if (answer === undefined) return 'nobody has said anything'
  if (answer instanceof DomainError) return `refused, ${answer.code}`
  const versions = answer.results.map(({ streamId, version }) => `${streamId}@${version}`)
  return `acknowledged${answer.duplicate ? ' as known' : ''}: ${versions.join(' ')}`
}
