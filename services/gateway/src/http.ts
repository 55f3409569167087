import { DomainError } from '@rondo/kernel'
import { type CallLimit, type Host, isLoopback } from '@rondo/runtime'
import type { FastifyInstance } from 'fastify'
import { guardLoopback } from './guard.ts'
import { admit } from './http-admission.ts'
import { feedbackRoutes } from './http-feedback.ts'
import { intakeRoutes } from './http-intake.ts'
import { rpcRoutes } from './http-rpc.ts'
import { tailRoutes } from './http-tail.ts'
import { pageRoutes } from './page.ts'
import { problem, refusalOf } from './problem.ts'
import { callLimit } from './rate-limit.ts'
import { openRedis } from './redis.ts'

const bodyLimit = 8 * 1024 * 1024

/** The public addresses. Bodies are taken as bytes: signatures and hashes are over what was sent. */
export async function routes(app: FastifyInstance, host: Host): Promise<CallLimit> {
  const { redisUrl, rateLimit } = host.config
  const redis = redisUrl ? openRedis(host, redisUrl) : undefined
  const limit = callLimit(rateLimit, redis)
  await app.register(
    async (edge) => {
      if (redis) edge.addHook('onClose', async () => redis.disconnect())
      edge.removeAllContentTypeParsers()
      edge.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit }, (_, body, done) => done(null, body))
      const loopback = isLoopback(host.config.listenHost)
      if (loopback) guardLoopback(edge)
      admit(edge, host, limit)
      edge.setErrorHandler((error, request, reply) => {
        const refusal = refusalOf(error)
        if (refusal.code === 'internal') host.log.error({ err: error, url: request.url }, 'a request failed')
        return problem(reply, refusal)
      })
      edge.setNotFoundHandler((request, reply) =>
        problem(reply, new DomainError('not_found', `there is no ${request.method} ${request.url.split('?')[0]}`)),
      )
      intakeRoutes(edge, host)
      rpcRoutes(edge, host)
      feedbackRoutes(edge, host, redis)
      tailRoutes(edge, host)
      pageRoutes(edge, host, { loopback, redis })
    },
    { prefix: '' },
  )
  return limit
}
