import { setTimeout as pause } from 'node:timers/promises'
import { status } from '@grpc/grpc-js'
import { watchMemory } from './child.ts'
import { type IntakeClient, intakeClient } from './intake-client.ts'
import { rate } from './ledger.ts'
import { aimed, atLeast, atMost, type Figure, percentile } from './measure.ts'
import { allInOne, type Rondo, type Stage } from './stage.ts'

/** Fewer than are let in at once by a process that has refused nobody yet. */
const callers = 96
const saturatingMs = 3000
const overloadMs = 6000
/** A caller that gets neither an answer nor "later" within this long has been left alone. */
const promptMs = 1000
const deadlineMs = 10_000
const recoveredWithinMs = 60_000

type Ending = 'accepted' | 'later' | 'left alone' | 'failed'
export interface Ended {
  readonly as: Ending
  readonly ms: number
}

const later: readonly unknown[] = [status.RESOURCE_EXHAUSTED, status.UNAVAILABLE]

function endingOf(error: unknown): Ending {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (later.includes(code)) return 'later'
  return code === status.DEADLINE_EXCEEDED ? 'left alone' : 'failed'
}

async function one(client: IntakeClient): Promise<Ended> {
  const begin = performance.now()
  try {
    await client.unary(deadlineMs)
    return { as: 'accepted', ms: performance.now() - begin }
  } catch (error) {
    return { as: endingOf(error), ms: performance.now() - begin }
  }
}

/** Calls at this rate, whatever becomes of those before them. */
export async function openLoop(
  client: IntakeClient,
  perSecond: number,
  ms: number,
): Promise<{ readonly sent: number; readonly all: Promise<Ended>[] }> {
  const all: Promise<Ended>[] = []
  const begin = performance.now()
  for (let now = begin; now < begin + ms; now = performance.now()) {
    const due = Math.floor(((now - begin) * perSecond) / 1000)
    while (all.length < due) all.push(one(client))
    await pause(2)
  }
  return { sent: all.length, all }
}

/** Milliseconds until calls, one after the other, take as long as they did before: five in a row. */
async function recovery(client: IntakeClient, usualMs: number): Promise<number> {
  const begin = performance.now()
  for (let good = 0; performance.now() - begin < recoveredWithinMs; await pause(20)) {
    const { as, ms } = await one(client)
    good = as === 'accepted' && ms <= usualMs ? good + 1 : 0
    if (good === 5) return performance.now() - begin
  }
  return Number.POSITIVE_INFINITY
}

const figure = (name: string, unit: string, value: number, rest: Partial<Figure> = {}): Figure => ({
  figure: `gRPC intake at 3 × its saturating rate: ${name}`,
  unit,
  value,
  spread: [value, value],
  ...rest,
})

async function overloaded(rondo: Rondo, token: string): Promise<readonly Figure[]> {
  const client = intakeClient(rondo.grpc, token)
  await rate(callers, () => client.unary(), 1000)
  await rondo.quiet()
  const usual: number[] = []
  for (let n = 0; n < 100; n++) usual.push((await one(client)).ms)
  const memoryThen = watchMemory(rondo)
  const saturated = await rate(callers, () => client.unary(), saturatingMs)
  await rondo.quiet()
  const before = memoryThen.most()
  const memory = watchMemory(rondo)
  const begin = performance.now()
  const { sent, all } = await openLoop(client, 3 * saturated, overloadMs)
  const offered = (sent * 1000) / (performance.now() - begin)
  const back = recovery(client, 3 * percentile(usual, 99))
  const ended = await Promise.all(all)
  const recoveredMs = await back
  const most = memory.most()
  await rondo.quiet()
  client.close()
  const count = (as: Ending) => ended.filter((it) => it.as === as).length
  const accepted = ended.filter(({ as }) => as === 'accepted').map(({ ms }) => ms)
  const prompt = ended.filter(({ as, ms }) => ms <= promptMs && (as === 'accepted' || as === 'later')).length
  const told = ended.filter(({ as, ms }) => as === 'later' && ms <= promptMs).length
  const shares = `of ${sent} calls ${count('accepted')} accepted, ${count('later')} told "later", ${count('left alone')} without an answer in ${deadlineMs / 1000} s, ${count('failed')} failed`
  const rates = `saturated at ${Math.round(saturated)}/s by ${callers} callers, offered ${Math.round(offered)}/s for ${overloadMs / 1000} s`
  const low = { name: 'one caller, p99', value: percentile(usual, 99) }
  const p99 = percentile(accepted, 99)
  return [
    figure('told "later" within 1 s', '% of calls', (100 * told) / sent, { note: shares }),
    aimed(
      figure('answered within 1 s, accepted or told "later"', '% of calls', (100 * prompt) / sent, { note: rates }),
      atLeast(99, 'value'),
    ),
    aimed(figure('p99 of the accepted', 'ms', p99, { control: low, ratio: p99 / low.value }), atMost(promptMs, 'value')),
    aimed(
      figure('until it is as it was', 's', recoveredMs / 1000, { note: 'five calls in a row within 3 × the p99 of one caller before' }),
      atMost(5, 'value'),
    ),
    aimed(
      figure('memory at its most', 'MB', most, {
        control: { name: 'at its most at the saturating rate', value: before },
        ratio: most / before,
      }),
      atMost(100, 'difference'),
    ),
  ]
}

/** What callers see when three times as much comes as can be taken. */
export async function overloadFigures(stage: Stage): Promise<readonly Figure[]> {
  const token = await stage.token()
  return stage.withRondo(allInOne, (rondo) => overloaded(rondo, token))
}
