import { setTimeout as pause } from 'node:timers/promises'
import type { Bus } from '@rondo/bus'
import { aimed, atMost, type Figure, percentile } from './measure.ts'
import { newMark, readingsOf, spansOf } from './readings.ts'
import type { Rondo } from './stage.ts'

const callers = 32
const saturatingMs = 6_000
const loadMs = 10_000
const share = 0.7
/** Until what waits has been worked off. */
const drainMs = 120_000

/** What the edge says when more comes than it can do. */
const later = new Set([429, 503])
class Later extends Error {}

/** Sends alerts of one service, each a problem of its own, to the edges in turn. Rejects with `Later` where the edge says so. */
export async function alerting(all: readonly Rondo[], token: string): Promise<(mark: string) => Promise<void>> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const service = { service: 'bench', owner: 'team-bench', alert_labels: { service: 'bench' } }
  const post = (http: string, path: string, body: object) =>
    fetch(`${http}/${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
  const put = await post(all[0]?.http ?? '', 'rondo.operations.v1.Operations/PutService', service)
  if (!put.ok) throw new Error(`the service was not taken: ${await put.text()}`)
  let next = 0
  return async (mark) => {
    const startsAt = new Date(Date.now() - 60_000).toISOString()
    const alerts = [{ status: 'firing', labels: { alertname: mark, service: 'bench' }, startsAt, fingerprint: mark }]
    const body = { version: '4', status: 'firing', externalURL: 'http://bench', alerts }
    const response = await post(all[next++ % all.length]?.http ?? '', 'v1/webhooks/alertmanager', body)
    const text = await response.text()
    if (later.has(response.status)) throw new Later(text)
    if (response.status !== 202) throw new Error(`the edge answered ${response.status}: ${text}`)
  }
}

type Alert = (mark: string) => Promise<void>

/** True: taken; false: told to come later. */
async function taken(alert: Alert, mark: string): Promise<boolean> {
  try {
    await alert(mark)
    return true
  } catch (error) {
    if (error instanceof Later) return false
    throw error
  }
}

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

/** Alerts at this rate, whatever becomes of those before them. */
async function offered(alert: Alert, perSecond: number) {
  const sent = new Map<string, number>()
  const all: Promise<boolean>[] = []
  const begin = performance.now()
  for (let now = begin; now < begin + loadMs; now = performance.now()) {
    for (const due = Math.floor(((now - begin) * perSecond) / 1000); all.length < due; ) {
      const mark = newMark(all.length)
      const at = performance.now()
      all.push(
        taken(alert, mark).then((was) => {
          if (was) sent.set(mark, at)
          return was
        }),
      )
    }
    await pause(2)
  }
  const refused = (await Promise.all(all)).filter((was) => !was).length
  return { sent, refused }
}

/** The same way at 70 % of what saturates it, beside what it takes at low load. */
export async function edgeAtLoad(one: Rondo, token: string, bus: Bus, low: readonly number[]): Promise<readonly Figure[]> {
  const read = await readingsOf(bus, 'rondo.requirements.v1', '"origin"')
  const alert = await alerting([one], token)
  const perSecond = await saturated(alert, one.quiet)
  const { sent, refused } = await offered(alert, share * perSecond)
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
