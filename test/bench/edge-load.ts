import { setTimeout as pause } from 'node:timers/promises'
import type { Bus } from '@rondo/bus'
import { type Alert, alerting, offerAlerts, taken } from './alerts.ts'
import { aimed, atMost, type Figure, percentile } from './measure.ts'
import { newMark, readingsOf, spansOf } from './readings.ts'
import type { Rondo } from './stage.ts'

const callers = 32
const saturatingMs = 6_000
const loadMs = 10_000
const share = 0.7
/** Until what waits has been worked off. */
const drainMs = 120_000

/** Alerts a second while more comes than can be done, until all that follows from them is done, too: only then it could go on like that. */
async function saturated(alert: Alert, quiet: Rondo['quiet']): Promise<number> {
  let sent = 0
  const begin = performance.now()
  const caller = async () => {
    while (performance.now() - begin < saturatingMs) {
      if (await taken(alert, newMark(sent))) sent += 1
      else await pause(20)
    }
  }
  await Promise.all(Array.from({ length: callers }, caller))
  await quiet()
  return (sent * 1000) / (performance.now() - begin)
}

/** The same way at 70 % of what saturates it, beside what it takes at low load. */
export async function edgeAtLoad(one: Rondo, token: string, bus: Bus, low: readonly number[]): Promise<readonly Figure[]> {
  const read = await readingsOf(bus, 'rondo.requirements.v1', '"origin"')
  const alert = await alerting([one.http], token)
  const perSecond = await saturated(alert, one.quiet)
  const { sent, refused } = await offerAlerts(alert, share * perSecond, loadMs)
  const spans = await spansOf(sent, read, drainMs)
  await read.stop()
  const control = { name: 'the same at low load, p99', value: percentile(low, 99) }
  const value = percentile(spans, 99)
  const lost = sent.size - spans.length
  return [
    aimed(
      {
        figure: `alert at the HTTP edge → requirement event on Kafka, p99, at 70 % of the saturating rate`,
        unit: 'ms',
        value,
        control,
        ratio: value / control.value,
        spread: [Math.min(...spans), Math.max(...spans)],
        note: `saturated at ${perSecond.toFixed(0)}/s, offered ${(share * perSecond).toFixed(0)}/s for ${loadMs / 1000} s: ${sent.size} taken, ${refused} told "later", ${lost} not read; p50 ${percentile(spans, 50).toFixed(0)} ms`,
      },
      atMost(5),
    ),
  ]
}
