import { setTimeout as pause } from 'node:timers/promises'
import { newMark } from './readings.ts'

/** What the edge says when more comes than it can do. */
const later = new Set([429, 503])
class Later extends Error {}

export type Alert = (mark: string) => Promise<void>

/** Sends alerts of one service, each a problem of its own, to the edges in turn. Rejects with `Later` where the edge says so. */
export async function alerting(edges: readonly string[], token: string): Promise<Alert> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const service = { service: 'bench', owner: 'team-bench', alert_labels: { service: 'bench' } }
  const post = (http: string, path: string, body: object) =>
    fetch(`${http}/${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
  const put = await post(edges[0] ?? '', 'rondo.operations.v1.Operations/PutService', service)
  if (!put.ok) throw new Error(`the service was not taken: ${await put.text()}`)
  let next = 0
  return async (mark) => {
    const startsAt = new Date(Date.now() - 60_000).toISOString()
    const alerts = [{ status: 'firing', labels: { alertname: mark, service: 'bench' }, startsAt, fingerprint: mark }]
    const body = { version: '4', status: 'firing', externalURL: 'http://bench', alerts }
    const response = await post(edges[next++ % edges.length] ?? '', 'v1/webhooks/alertmanager', body)
    const text = await response.text()
    if (later.has(response.status)) throw new Later(text)
    if (response.status !== 202) throw new Error(`the edge answered ${response.status}: ${text}`)
  }
}

/** True: taken; false: told to come later. */
export async function taken(alert: Alert, mark: string): Promise<boolean> {
  try {
    await alert(mark)
    return true
  } catch (error) {
    if (error instanceof Later) return false
    throw error
  }
}

/** So many alerts, so many at a time; resolves when they were taken. */
export async function sendAlerts(alert: Alert, count: number, atATime: number): Promise<void> {
  for (let done = 0; done < count; done += atATime)
    await Promise.all(Array.from({ length: Math.min(atATime, count - done) }, (_, index) => alert(newMark(done + index))))
}

export interface Offered {
  /** When each that was taken was sent, by its mark. */
  readonly sent: ReadonlyMap<string, number>
  /** How many were told to come later. */
  readonly refused: number
}

/** Alerts at this rate, whatever becomes of those before them. */
export async function offerAlerts(alert: Alert, perSecond: number, ms: number): Promise<Offered> {
  const sent = new Map<string, number>()
  const all: Promise<boolean>[] = []
  const begin = performance.now()
  for (let now = begin; now < begin + ms; now = performance.now()) {
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
