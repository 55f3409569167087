import { once } from 'node:events'
import { createServer } from 'node:net'
import { expect, test } from 'vitest'
import { checkPorts } from './ports.ts'

test('a port that is taken is named with its variable, and what listened there goes on', async () => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const address = taken.address()
  const port = typeof address === 'object' && address ? address.port : 0
  const listenHost = '127.0.0.1'
  await expect(checkPorts({ listenHost, httpPort: 0, grpcPort: port })).rejects.toThrow(
    `port ${port} of 127.0.0.1 (gRPC) is taken: stop what listens there, or set RONDO_GRPC_PORT`,
  )
  await expect(checkPorts({ listenHost, httpPort: port, grpcPort: 0 })).rejects.toThrow(/\(HTTP\) is taken.*RONDO_HTTP_PORT/)
  expect(taken.listening).toBe(true)
  taken.close()
  await once(taken, 'close')
  await expect(checkPorts({ listenHost, httpPort: port, grpcPort: 0 })).resolves.toBeUndefined()
})

test('one port for both is refused, but any free one for both is not', async () => {
  await expect(checkPorts({ listenHost: '127.0.0.1', httpPort: 8686, grpcPort: 8686 })).rejects.toThrow(/are both 8686/)
  await expect(checkPorts({ listenHost: '127.0.0.1', httpPort: 0, grpcPort: 0 })).resolves.toBeUndefined()
})
