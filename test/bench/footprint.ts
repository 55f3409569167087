import { setTimeout as pause } from 'node:timers/promises'
import type { Figure } from './measure.ts'
import { type Process, startProcess } from './process.ts'

const single = (figure: string, unit: string, value: number, note?: string): Figure => ({
  figure,
  unit,
  value,
  spread: [value, value],
  ...(note ? { note } : {}),
})

/** Share of a core over a quiet span. */
async function idleCpu(one: Process, seconds: number): Promise<number> {
  const before = one.cpu()
  await pause(seconds * 1000)
  return ((one.cpu() - before) / seconds) * 100
}

async function load(rondo: Process, token: string, requests: number): Promise<void> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  for (let done = 0; done < requests; done += 50)
    await Promise.all(
      Array.from({ length: 50 }, async (_, index) => {
        const mark = `load${done + index}`
        const body = {
          version: '4',
          status: 'firing',
          externalURL: 'http://bench',
          alerts: [
            { status: 'firing', labels: { alertname: mark, service: 'bench' }, startsAt: '2026-11-01T00:00:00Z', fingerprint: mark },
          ],
        }
        await (await fetch(`${rondo.http}/v1/webhooks/alertmanager`, { method: 'POST', headers, body: JSON.stringify(body) })).arrayBuffer()
      }),
    )
}

/** Memory, processor time when idle, and start-up of all in one process. */
export async function allInOneFigures(rondo: Process, token: string, idleSeconds: number): Promise<readonly Figure[]> {
  const idle = rondo.memory()
  const cpu = await idleCpu(rondo, idleSeconds)
  await load(rondo, token, 2000)
  await pause(3000)
  return [
    single('start-up, all in one, existing database', 'ms', rondo.startedMs, 'spawn until /readyz is 200'),
    single('memory, all in one, idle', 'MB', idle, 'resident'),
    single('memory, all in one, after 2,000 alerts', 'MB', rondo.memory(), 'resident'),
    single('processor, all in one, idle', '% of a core', cpu, `over ${idleSeconds} s`),
  ]
}

/** Each service as a process of its own. */
export async function serviceFigures(
  services: readonly string[],
  env: Readonly<Record<string, string>>,
  idleSeconds: number,
): Promise<readonly Figure[]> {
  const figures: Figure[] = []
  for (const service of services) {
    const one = await startProcess(`services/${service}/src/main.ts`, env)
    const cpu = await idleCpu(one, idleSeconds)
    figures.push(
      single(
        `memory, ${service}, idle`,
        'MB',
        one.memory(),
        `started in ${Math.round(one.startedMs)} ms, ${cpu.toFixed(1)} % of a core idle`,
      ),
    )
    await one.stop()
  }
  return figures
}
