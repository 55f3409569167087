import { once } from 'node:events'
import { createServer } from 'node:net'
import type { Config } from './config.ts'
import { portError, StartError } from './start-error.ts'

async function checkFree(what: string, variable: string, host: string, port: number): Promise<void> {
  const server = createServer()
  try {
    server.listen(port, host)
    await once(server, 'listening')
  } catch (error) {
    throw portError(what, variable, host, port, error)
  } finally {
    server.close()
  }
}

/** Before anything else is started: a port that is taken, or named twice, is said at once. (Port 0, any free one, is free.) */
export async function checkPorts({ listenHost, httpPort, grpcPort }: Pick<Config, 'listenHost' | 'httpPort' | 'grpcPort'>): Promise<void> {
  if (httpPort !== 0 && httpPort === grpcPort) {
    throw new StartError(`RONDO_HTTP_PORT and RONDO_GRPC_PORT are both ${httpPort}: each needs a port of its own`)
  }
  if (httpPort !== 0) await checkFree('HTTP', 'RONDO_HTTP_PORT', listenHost, httpPort)
  if (grpcPort !== 0) await checkFree('gRPC', 'RONDO_GRPC_PORT', listenHost, grpcPort)
}
