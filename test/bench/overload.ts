import { setTimeout as pause } from 'node:timers/promises'
import { watchMemory } from './child.ts'
import { intakeClient } from './intake-client.ts'
import { rate } from './ledger.ts'
import { aimed, atLeast, atMost, type Figure, percentile } from './measure.ts'
import { deadlineMs, type Emitter, type Ended, emitter, openLoop } from './open-loop.ts'
import type { Settings } from './rows.ts'
import { allInOne, type Rondo, type Stage } from './stage.ts'

/** Fewer than are let in at once by a process that has refused nobody yet. */
const callers = 96
const saturatingMs = 3000
const overloadMs = 6000
const promptMs = 1000
const recoveredWithinMs = 60_000

/** Milliseconds until calls, one after the other, take as long as they did before: five in a row. */
async function recovery(client: Emitter, usualMs: number): Promise<number> {
  const begin = performance.now()
  for (let good = 0; performance.now() - begin < recoveredWithinMs; await pause(20)) {
    const { as, ms } = await client.emit()
    good = as === 'accepted' && ms <= usualMs ? good + 1 : 0
    if (good === 5) return performance.now() - begin
  }
  return Number.POSITIVE_INFINITY
}

interface Usual {
  /** Calls in a second, with as many callers as are let in. */
  readonly saturated: number
  /** p99 of one caller, in milliseconds. */
  readonly alone: number
  /** MB, at the most. */
  readonly memory: number
}

/** How it is before more comes than can be taken. */
async function usually(rondo: Rondo, token: string, one: Emitter): Promise<Usual> {
  const client = intakeClient(rondo.grpc, token)
  await rate(callers, () => client.unary(), 1000)
  await rondo.quiet()
  const alone: number[] = []
  for (let n = 0; n < 100; n++) alone.push((await one.emit()).ms)
  const memory = watchMemory(rondo)
  const saturated = await rate(callers, () => client.unary(), saturatingMs)
  await rondo.quiet()
  client.close()
  return { saturated, alone: percentile(alone, 99), memory: memory.most() }
}

interface Measured {
  readonly offered: number
  readonly ended: readonly Ended[]
  readonly recoveredMs: number
  /** MB, at the most. */
  readonly memory: number
  /** Milliseconds of Rondo's processor time for each call. */
  readonly cpu: number
}

async function overloaded(rondo: Rondo, client: Emitter, perSecond: number, usualMs: number): Promise<Measured> {
  const memory = watchMemory(rondo)
  const before = rondo.cpu()
  const { rate: offered, ended } = await openLoop(client, perSecond, overloadMs)
  const back = recovery(client, usualMs)
  const all = await ended
  const cpu = ((rondo.cpu() - before) * 1000) / all.length
  const recoveredMs = await back
  const most = memory.most()
  await rondo.quiet()
  return { offered, ended: all, recoveredMs, memory: most, cpu }
}

function figuresOf(rateName: string, usual: Usual, { offered, ended, recoveredMs, memory, cpu }: Measured): readonly Figure[] {
  const figure = (name: string, unit: string, value: number, rest: Partial<Figure> = {}): Figure => ({
    figure: `gRPC intake at ${rateName}: ${name}`,
    unit,
    value,
    spread: [value, value],
    ...rest,
  })
  const count = (as: Ended['as']) => ended.filter((it) => it.as === as).length
  const share = (some: readonly Ended[]) => (100 * some.length) / ended.length
  const prompt = ended.filter(({ as, ms }) => ms <= promptMs && (as === 'accepted' || as === 'later'))
  const told = prompt.filter(({ as }) => as === 'later')
  const p99 = percentile(
    ended.filter(({ as }) => as === 'accepted').map(({ ms }) => ms),
    99,
  )
  const shares = `of ${ended.length} calls ${count('accepted')} accepted, ${count('later')} told "later", ${count('left alone')} without an answer in ${deadlineMs / 1000} s, ${count('failed')} failed; ${cpu.toFixed(2)} ms of Rondo's processor time for each`
  const rates = `saturated at ${Math.round(usual.saturated)}/s by ${callers} callers, offered ${Math.round(offered)}/s for ${overloadMs / 1000} s`
  return [
    figure('told "later" within 1 s', '% of calls', share(told), { note: shares }),
    aimed(figure('answered within 1 s, accepted or told "later"', '% of calls', share(prompt), { note: rates }), atLeast(99, 'value')),
    aimed(
      figure('p99 of the accepted', 'ms', p99, { control: { name: 'one caller, p99', value: usual.alone }, ratio: p99 / usual.alone }),
      atMost(promptMs, 'value'),
    ),
    aimed(
      figure('until it is as it was', 's', recoveredMs / 1000, { note: 'five calls in a row within 3 × the p99 of one caller before' }),
      atMost(5, 'value'),
    ),
    aimed(
      figure('memory at its most', 'MB', memory, {
        control: { name: 'at its most at the saturating rate', value: usual.memory },
        ratio: memory / usual.memory,
      }),
      atMost(100, 'difference'),
    ),
  ]
}

/** What callers see when three times as much comes as can be taken, or as much as was asked for. */
export async function overloadFigures(stage: Stage, { offered }: Settings): Promise<readonly Figure[]> {
  const token = await stage.token()
  return stage.withRondo(allInOne, async (rondo) => {
    const client = emitter(rondo.grpc, token)
    try {
      const usual = await usually(rondo, token, client)
      const name = offered ? `${offered.toLocaleString('en')} calls/s` : '3 × its saturating rate'
      return figuresOf(name, usual, await overloaded(rondo, client, offered ?? 3 * usual.saturated, 3 * usual.alone))
    } finally {
      client.close()
    }
  })
}
