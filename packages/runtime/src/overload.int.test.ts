import { DomainError } from '@rondo/kernel'
import { freshDatabase, needs } from '@rondo/testkit'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { runServices, type TestRun } from '../test/running.ts'
import { countsService, testProtos } from '../test/services.ts'
import { createChannels } from './channels.ts'
import { createGrpcHost } from './grpc-host.ts'
import type { Host } from './host.ts'
import { createMetrics } from './metrics.ts'
import { as } from './rig.ts'
import { type CallLimit, rpcs, type Service } from './service.ts'

const { met } = needs('postgres18')

/** What the calls below wait for: one job at a time, some milliseconds each. */
function machine() {
  const waiting: (() => void)[] = []
  let running = false
  let longest = 0
  const next = () => {
    const job = waiting.shift()
    running = job !== undefined
    if (job) setTimeout(() => [job(), next()], 4)
  }
  return {
    /** Jobs that waited at once, at most, since it was asked. */
    longest() {
      const most = longest
      longest = 0
      return most
    },
    job: () =>
      new Promise<void>((resolve) => {
        longest = Math.max(longest, waiting.push(resolve))
        if (!running) next()
      }),
  }
}

const { job, longest } = machine()
interface CountsV1 {
  Get: { request: { thing_id: string }; response: { notes: string } }
}
/** Of `counts`, with a call that takes its turn at the machine. */
const rows = rpcs<CountsV1>()({
  Get: {
    roles: [],
    open: true,
    request: z.strictObject({ thing_id: z.string() }),
    call: async () => {
      await job()
      return { notes: '1' }
    },
  },
})
const name = 'rondo.counts.v1.Counts'
let host: Host
const busy: Service = {
  ...countsService,
  reactions: [],
  rpc: { [name]: rows },
  http: (_, own) => {
    host = own
    return undefined
  },
}

let process: TestRun
beforeAll(async () => {
  if (met) process = await runServices([busy], { RONDO_DATABASE_URL: await freshDatabase() })
})
afterAll(() => process?.stop())

interface Ended {
  readonly code: string
  readonly ms: number
  readonly retry: unknown
}

async function one(call: () => Promise<unknown>): Promise<Ended> {
  const begin = performance.now()
  try {
    await call()
    return { code: 'ok', ms: performance.now() - begin, retry: undefined }
  } catch (error) {
    const { code, details } = error as { code: string; details: { retry_after_ms?: unknown } }
    return { code, ms: performance.now() - begin, retry: details.retry_after_ms }
  }
}

/** Calls at a steady rate, whatever becomes of those before them. */
function offered(call: () => Promise<unknown>, perSecond: number, ms: number): Promise<readonly Ended[]> {
  const begin = performance.now()
  const all: Promise<Ended>[] = []
  const { promise, resolve } = Promise.withResolvers<readonly Ended[]>()
  const timer = setInterval(() => {
    const now = performance.now() - begin
    while (all.length < (Math.min(now, ms) * perSecond) / 1000) all.push(one(call))
    if (now < ms) return
    clearInterval(timer)
    resolve(Promise.all(all))
  }, 5)
  return promise
}

/** Several times what the machine can do. */
const perSecond = 600
const median = (all: readonly Ended[] = []) => all.map(({ ms }) => ms).toSorted((a, b) => a - b)[all.length >> 1] ?? Number.NaN

test('more than can be done: who is refused is told at once and when, few wait, operators are answered', async () => {
  const call = () => process.channels.call('counts', `${name}/Get`, { thing_id: 'a' })
  const status = () => process.channels.call('counts', 'rondo.ledger.v1.Ledger/Status', { service: '' }, as('operator'))
  const [all, asked] = await Promise.all([offered(call, perSecond, 2000), offered(status, 20, 2000)])
  const codes = Map.groupBy(all, ({ code }) => code)
  expect([...codes.keys()].toSorted()).toEqual(['ok', 'overloaded'])
  expect(codes.get('overloaded')?.length).toBeGreaterThan(all.length / 3)
  expect(codes.get('overloaded')?.every(({ retry }) => typeof retry === 'number')).toBe(true)
  expect(longest()).toBeLessThanOrEqual(128)
  expect(median(codes.get('overloaded'))).toBeLessThan(median(codes.get('ok')))
  expect(asked.every(({ code }) => code === 'ok')).toBe(true)
  expect((await one(call)).code).toBe('ok')
  const metrics = await (await fetch(`${process.addresses.http}/metrics`)).text()
  expect(metrics).toMatch(/^rondo_refusals_total\{.*code="overloaded".*\} \d+/m)
  expect(metrics).toMatch(/^rondo_admission_limit\b.* \d+/m)
})

test('the control: without a limit all of them wait', async () => {
  const metrics = createMetrics()
  const grpc = createGrpcHost(testProtos(), {
    admission: { enter: () => ({ hold: () => undefined, leave: () => undefined }), refusal: () => undefined },
    metrics,
    within: '',
  })
  grpc.add(name, rows, { host, metrics })
  const port = await grpc.listen('127.0.0.1', 0)
  const channels = createChannels(testProtos(), () => `127.0.0.1:${port}`)
  const all = await offered(() => channels.call('counts', `${name}/Get`, { thing_id: 'a' }), perSecond, 2000)
  channels.close()
  await grpc.stop(1000)
  expect(all.every(({ code }) => code === 'ok')).toBe(true)
  expect(longest()).toBeGreaterThan(400)
})

test("a caller's rate holds for gRPC too, once for each call, whatever the process asks of itself for it", async () => {
  const asked: (string | undefined)[] = []
  const limit: CallLimit = ({ authorization }) => {
    asked.push(authorization)
    return asked.length < 3 ? undefined : Promise.reject(new DomainError('rate_limited', 'too many', { retry_after_ms: 300 }))
  }
  const statusOfItself = rpcs<CountsV1>()({
    Get: {
      roles: [],
      open: true,
      request: z.strictObject({ thing_id: z.string() }),
      call: async (_, own) => {
        await own.channels.call('counts', 'rondo.ledger.v1.Ledger/Status', { service: '' }, as('operator'))
        return { notes: '1' }
      },
    },
  })
  const edge: Service = { ...busy, http: () => limit, rpc: { [name]: statusOfItself } }
  const running = await runServices([edge], { RONDO_DATABASE_URL: await freshDatabase() })
  const call = () => running.channels.call('counts', `${name}/Get`, { thing_id: 'a' }, as('developer'))
  expect([await call(), await call()]).toEqual([{ notes: '1' }, { notes: '1' }])
  await expect(call()).rejects.toMatchObject({ code: 'rate_limited', details: { retry_after_ms: 300 } })
  await running.stop()
  expect(asked).toEqual(['Bearer developer', 'Bearer developer', 'Bearer developer'])
})
