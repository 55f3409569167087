import { setTimeout as pause } from 'node:timers/promises'
import type { Ask, Edge } from './edge.ts'
import { type Duel, type Job, Work } from './jobs.ts'
import type { Random } from './random.ts'
import type { Outcome } from './told.ts'

export interface Caller {
  /** Ends with the message under way. */
  stop(): Promise<void>
}

/** Something that a caller saw and that must not be. */
export interface Broken {
  readonly promise: string
  readonly what: string
}

/** Of what was acknowledged, how much is sent again under the same id. */
const repeated = 0.2
const giveUpAfter = 240_000

export interface Calling {
  readonly edge: Edge
  readonly random: Random
  readonly broken: (one: Broken) => void
  /** Milliseconds between two messages of a caller, on average. */
  readonly rest: number
  /** Nothing for intake. */
  readonly asksOnly: boolean
}

/** Sends it until somebody says yes or no, at the other gateway after each failure. */
export async function told({ edge, random }: Pick<Calling, 'edge' | 'random'>, send: (edge: number) => Promise<Outcome>): Promise<Outcome> {
  const end = performance.now() + giveUpAfter
  const first = random.below(edge.count)
  for (let tries = 0; ; tries += 1) {
    const outcome = await send((first + tries) % edge.count)
    if (outcome.kind !== 'unknown' || performance.now() > end) return outcome
    await pause(Math.min(1500, 100 * 2 ** Math.min(tries, 4)) * (0.5 + random.next()))
  }
}

/** What an ask is answered with again under its id: the same. */
async function asked(calling: Calling, ask: Ask): Promise<Outcome> {
  const first = await told(calling, (edge) => calling.edge.ask(edge, ask))
  if (first.kind !== 'acknowledged' || !calling.random.chance(repeated)) return first
  const again = await told(calling, (edge) => calling.edge.ask(edge, ask))
  if (again.kind === 'refused' || (again.kind === 'acknowledged' && JSON.stringify(again.answer) !== JSON.stringify(first.answer)))
    calling.broken({
      promise: 'the same message id again has the same answer',
      what: `${ask.messageId} was answered with ${JSON.stringify(first)}, then with ${JSON.stringify(again)}`,
    })
  return first
}

async function fought(calling: Calling, { what, rivals }: Duel): Promise<void> {
  const outcomes = await Promise.all(rivals.map((rival) => asked(calling, rival)))
  if (outcomes.some(({ kind }) => kind === 'unknown')) return
  const winners = outcomes.filter(({ kind }) => kind === 'acknowledged').length
  if (winners !== 1)
    calling.broken({
      promise: `two writers at ${what}: one success`,
      what: `${rivals.map(({ messageId }) => messageId).join(' and ')}: ${winners} succeeded: ${JSON.stringify(outcomes)}`,
    })
}

async function reused(calling: Calling, ask: Ask, other: Ask): Promise<void> {
  const first = await asked(calling, ask)
  if (first.kind !== 'acknowledged') return
  const outcome = await told(calling, (edge) => calling.edge.ask(edge, other))
  if (outcome.kind === 'acknowledged' || (outcome.kind === 'refused' && outcome.code !== 'id_reused'))
    calling.broken({
      promise: 'another content under the same message id is refused',
      what: `${ask.messageId}: ${JSON.stringify(outcome)}`,
    })
}

async function done(calling: Calling, job: Job): Promise<void> {
  const { edge, random } = calling
  if (job.kind === 'duel') return fought(calling, job.duel)
  if (job.kind === 'reuse') return reused(calling, job.ask, job.other)
  if (job.kind === 'ask') {
    await asked(calling, job.ask)
    return
  }
  const send = (at: number) => (job.kind === 'alerts' ? edge.alert(at, job.delivery) : edge.emit(at, job.delivery))
  const outcome = await told(calling, send)
  if (outcome.kind === 'acknowledged' && random.chance(repeated)) await told(calling, send)
}

export function startCaller(name: string, calling: Calling): Caller {
  const work = new Work(name, calling.random, calling)
  let stopped = false
  const run = async () => {
    while (!stopped) {
      await done(calling, work.next())
      await pause(calling.rest * (0.5 + calling.random.next()))
    }
  }
  const running = run()
  return {
    async stop() {
      stopped = true
      await running
    },
  }
}
