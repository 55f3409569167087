import { DomainError } from '@rondo/kernel'
import { Admission } from '@rondo/runtime'
import { fastify } from 'fastify'
import { expect, test } from 'vitest'
import { admit } from './http-admission.ts'
import { problem, refusalOf } from './problem.ts'

function edge(limit: Parameters<typeof admit>[2] = () => undefined) {
  const admission = new Admission({ now: () => 0 })
  const app = fastify()
  app.setErrorHandler((error, _, reply) => problem(reply, refusalOf(error)))
  admit(app, { admission }, limit)
  const held = Promise.withResolvers<void>()
  app.get('/held', async () => held.promise.then(() => 'done'))
  app.get('/v1/tail', async () => 'lasts')
  app.post('/:service/:method', async () => 'asked')
  return { admission, app, release: held.resolve }
}

const full = (admission: Admission) => Array.from({ length: admission.standing.limit }, () => admission.enter(0))

test('where there is no room the answer is 503 and says when', async () => {
  const { admission, app } = edge()
  const [place] = full(admission)
  const refused = await app.inject('/held')
  expect(refused.statusCode).toBe(503)
  expect(refused.json()).toMatchObject({ code: 'overloaded', status: 503 })
  expect(Number(refused.headers['retry-after'])).toBeGreaterThanOrEqual(1)
  place?.leave()
  expect((await app.inject({ method: 'POST', url: '/rondo.builds.v1.Builds/GetGate' })).statusCode).toBe(200)
})

test('what lasts, and what an operator asks, is answered all the same', async () => {
  const { admission, app } = edge()
  full(admission)
  expect((await app.inject('/v1/tail')).statusCode).toBe(200)
  expect((await app.inject({ method: 'POST', url: '/rondo.ledger.v1.Ledger/Status' })).statusCode).toBe(200)
  expect((await app.inject({ method: 'POST', url: '/rondo.builds.v1.Builds/GetGate' })).statusCode).toBe(503)
})

test('a request is under way until its answer was sent', async () => {
  const { admission, app, release } = edge()
  const answer = app.inject('/held')
  await expect.poll(() => admission.standing.underWay).toBe(1)
  release()
  expect((await answer).statusCode).toBe(200)
  await expect.poll(() => admission.standing.underWay).toBe(0)
})

test("a caller's rate is asked first, and takes no room", async () => {
  const { admission, app } = edge(() => Promise.reject(new DomainError('rate_limited', 'too many', { retry_after_ms: 1500 })))
  const refused = await app.inject('/held')
  expect(refused.statusCode).toBe(429)
  expect(refused.headers['retry-after']).toBe('2')
  expect(admission.standing.underWay).toBe(0)
})
