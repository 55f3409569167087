import { once } from 'node:events'
import { createServer, type Server } from 'node:net'

/** Below those that systems take for outgoing connections (Linux from 32768, others later): one that is free stays free until it is used. */
const lowest = 12_000
const highest = 32_000
/** Handed out by this process, in use or not yet. */
const given = new Set<number>()

async function listening(): Promise<{ readonly server: Server; readonly port: number }> {
  for (;;) {
    const port = lowest + Math.floor(Math.random() * (highest - lowest))
    if (given.has(port)) continue
    const server = createServer()
    try {
      await once(server.listen(port, '127.0.0.1'), 'listening')
      given.add(port)
      return { server, port }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    }
  }
}

/** Ports of the loopback that were free a moment ago, all different, none of them handed out by this process before. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const found = await Promise.all(Array.from({ length: count }, listening))
  await Promise.all(found.map(({ server }) => new Promise((resolve) => server.close(resolve))))
  return found.map(({ port }) => port)
}
