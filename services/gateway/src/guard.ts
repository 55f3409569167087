import { DomainError } from '@rondo/kernel'
import type { FastifyInstance } from 'fastify'

const loopback = /^(localhost|127(?:\.\d{1,3}){3}|\[::1\])(:\d{1,5})?$/i

/**
 * A page anywhere in the world can make a browser call 127.0.0.1, also under a name of its own. Where Rondo listens on the loopback,
 * `Host` must name it, and `Origin`, which a browser adds, too.
 */
export function guardLoopback(app: FastifyInstance): void {
  app.addHook('onRequest', async (request) => {
    const { host, origin } = request.headers
    if (!host || !loopback.test(host))
      throw new DomainError('forbidden', `Host: "${host ?? ''}" is not this machine; call http://127.0.0.1 or set RONDO_LISTEN_HOST`, {
        path: 'Host',
      })
    if (origin !== undefined && !(URL.canParse(origin) && loopback.test(new URL(origin).host)))
      throw new DomainError('forbidden', `Origin: "${origin}" may not call a Rondo that listens on the loopback`, { path: 'Origin' })
  })
}
