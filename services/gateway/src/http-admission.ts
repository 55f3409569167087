import type { CallLimit, Host } from '@rondo/runtime'
import type { FastifyInstance, FastifyRequest } from 'fastify'

/** Last as long as somebody reads; nothing piles up behind them. */
const lasting = new Set(['/v1/feedback/stream', '/v1/tail'])
/** Is answered also when all else waits. */
const operators = 'rondo.ledger.v1.Ledger'

function isBounded({ routeOptions, params }: FastifyRequest): boolean {
  if (lasting.has(routeOptions.url ?? '')) return false
  return !(params && typeof params === 'object' && 'service' in params && params.service === operators)
}

/** What a request has to pass before anything is done for it: its caller's rate, and that there is room for more work. */
export function admit(app: FastifyInstance, { admission }: Pick<Host, 'admission'>, limit: CallLimit): void {
  app.addHook('onRequest', async (request, reply) => {
    await limit({ authorization: request.headers.authorization, address: request.ip })
    if (!isBounded(request)) return
    const place = admission.enter(Number(request.headers['content-length'] ?? 0))
    reply.raw.once('close', () => place.leave())
  })
}
