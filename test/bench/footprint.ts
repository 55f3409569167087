import { setTimeout as pause } from 'node:timers/promises'
import { freePorts } from '@rondo/testkit/port'
import { alerting, sendAlerts } from './alerts.ts'
import type { Figure } from './measure.ts'
import { type Process, startProcess } from './process.ts'
import { quietOf } from './stage.ts'

const loadAlerts = 2000

const single = (figure: string, unit: string, value: number, note?: string): Figure => ({
  figure,
  unit,
  value,
  spread: [value, value],
  ...(note ? { note } : {}),
})

/** Share of a core of each over the same quiet span, in percent. */
async function idleCpu(all: readonly Process[], seconds: number): Promise<readonly number[]> {
  const before = all.map((one) => one.cpu())
  await pause(seconds * 1000)
  return all.map((one, index) => ((one.cpu() - (before[index] ?? 0)) / seconds) * 100)
}

/** Resolves when all that follows from them is done, too. */
async function load(edge: string, token: string): Promise<void> {
  await sendAlerts(await alerting([edge], token), loadAlerts, 50)
  await quietOf(edge, token)()
}

const loaded = loadAlerts.toLocaleString('en')

/** Memory, processor time when idle, and start-up of all in one process. */
export async function allInOneFigures(rondo: Process, token: string, idleSeconds: number): Promise<readonly Figure[]> {
  const idle = rondo.memory()
  const [cpu = Number.NaN] = await idleCpu([rondo], idleSeconds)
  await load(rondo.http, token)
  return [
    single('start-up, all in one, existing database', 'ms', rondo.startedMs, 'spawn until /readyz is 200'),
    single('memory, all in one, idle', 'MB', idle, 'resident'),
    single(`memory, all in one, after ${loaded} alerts`, 'MB', rondo.memory(), 'resident'),
    single('processor, all in one, idle', '% of a core', cpu, `over ${idleSeconds} s`),
  ]
}

/** Each service as a process of its own, all of them at once; the last one is the gateway, which leads to the others. */
async function startServices(services: readonly string[], env: Readonly<Record<string, string>>): Promise<readonly Process[]> {
  const ports = await freePorts(2 * services.length)
  const places = services.map((service, index) => ({ service, http: ports[2 * index] ?? 0, grpc: ports[2 * index + 1] ?? 0 }))
  const addresses = Object.fromEntries(places.map(({ service, grpc }) => [`RONDO_${service.toUpperCase()}_ADDRESS`, `127.0.0.1:${grpc}`]))
  const started: Process[] = []
  try {
    // One after the other: each one's start-up is its own
    for (const { service, http, grpc } of places)
      started.push(await startProcess(`services/${service}/src/main.ts`, { ...env, ...addresses }, { ports: [http, grpc] }))
    return started
  } catch (error) {
    await stopAll(started)
    throw error
  }
}

const stopAll = (all: readonly Process[]) => Promise.all(all.map((one) => one.stop()))

/** Memory and processor time of each service as a process of its own: idle, and after a load through the gateway. */
export async function serviceFigures(
  services: readonly string[],
  env: Readonly<Record<string, string>>,
  token: string,
  idleSeconds: number,
): Promise<readonly Figure[]> {
  const all = await startServices(services, env)
  try {
    const idle = all.map((one) => one.memory())
    const cpu = await idleCpu(all, idleSeconds)
    const before = all.map((one) => one.cpu())
    await load(all.at(-1)?.http ?? '', token)
    return services.flatMap((service, index) => {
      const one = all[index]
      if (!one) return []
      const start = `started in ${Math.round(one.startedMs)} ms, ${cpu[index]?.toFixed(1)} % of a core over ${idleSeconds} s idle`
      const spent = `${(one.cpu() - (before[index] ?? 0)).toFixed(1)} s of processor time for them`
      return [
        single(`memory, ${service}, idle`, 'MB', idle[index] ?? Number.NaN, start),
        single(`memory, ${service}, after ${loaded} alerts`, 'MB', one.memory(), spent),
      ]
    })
  } finally {
    await stopAll(all)
  }
}
