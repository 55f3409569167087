import { trace } from '@opentelemetry/api'
import { type FastifyInstance, fastify } from 'fastify'
import type { Metrics } from './metrics.ts'
import type { Readiness } from './readiness.ts'
import { portError } from './start-error.ts'

export interface HttpHost {
  /** For routes, before it listens. */
  readonly app: FastifyInstance
  /** The port it listens on. Rejects with a sentence where that one is taken. */
  listen(host: string, port: number): Promise<number>
  /** Takes no new requests, waits for those under way, and ends them at the deadline (milliseconds). */
  stop(deadlineMs: number): Promise<void>
}

export interface HttpHostParts {
  readonly readiness: () => Promise<Readiness>
  /** In the Prometheus text format. */
  readonly metricsText: () => Promise<string>
  readonly metrics: Metrics
}

/** Requests are parsed by Rondo's own schemas. The compilers that fastify would bring are loaded where none are given, and are a tenth of a start. */
const noSchemas = () => {
  throw new TypeError('a route of Rondo has no JSON schema')
}

/** `/healthz` (it runs), `/readyz` (every part can work; says what cannot and why), `/metrics`. */
export function createHttpHost({ readiness, metricsText, metrics }: HttpHostParts): HttpHost {
  const schemaController = { compilersFactory: { buildValidator: noSchemas, buildSerializer: noSchemas } }
  const app = fastify({ logger: false, forceCloseConnections: 'idle', requestTimeout: 60_000, bodyLimit: 1024 * 1024, schemaController })
  app.addHook('onRequest', async ({ method, routeOptions: { url } }) => {
    // The instrumentation of `http` does not know routes; without them every span is called "GET".
    if (url) trace.getActiveSpan()?.updateName(`${method} ${url}`).setAttribute('http.route', url)
  })
  app.addHook('onResponse', async (request, reply) => {
    metrics.http.record(reply.elapsedTime / 1000, {
      'http.route': request.routeOptions.url ?? 'none',
      'http.request.method': request.method,
      'http.response.status_code': reply.statusCode,
    })
  })
  app.get('/healthz', async () => ({ status: 'ok' }))
  app.get('/readyz', async (_request, reply) => {
    const found = await readiness()
    return reply.code(found.ready ? 200 : 503).send(found)
  })
  app.get('/metrics', async (_request, reply) => reply.type('text/plain; version=0.0.4; charset=utf-8').send(await metricsText()))

  return {
    app,
    async listen(host, port) {
      try {
        await app.listen({ host, port })
      } catch (error) {
        throw portError('HTTP', 'RONDO_HTTP_PORT', host, port, error)
      }
      const address = app.server.address()
      return address && typeof address === 'object' ? address.port : port
    },
    async stop(deadlineMs) {
      const timer = setTimeout(() => app.server.closeAllConnections(), deadlineMs)
      await app.close()
      clearTimeout(timer)
    },
  }
}
