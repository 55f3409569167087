import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

/** A wire to PostgreSQL that a test can cut. */
export interface FaultyProxy {
  /** The database's address through this wire. */
  readonly url: string
  /** The next request that holds the text reaches the server; its connection breaks before the reply comes back. */
  loseReplyTo(text: string): void
  /** Refuses new connections and breaks those that are open, until `mend`. */
  cut(): void
  mend(): void
  readonly lost: number
  close(): Promise<void>
}

export async function faultyProxy(target: string): Promise<FaultyProxy> {
  const { hostname, port } = new URL(target)
  const sockets = new Set<Socket>()
  let loseAfter: string | undefined
  let isCut = false
  let lost = 0
  const server = createServer((client) => {
    if (isCut) return void client.destroy()
    const upstream = connect(Number(port), hostname)
    let losing = false
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => socket.destroy()) // a cut wire is what the test wants
      socket.on('close', () => sockets.delete(socket))
    }
    client.on('data', (chunk) => {
      if (loseAfter !== undefined && chunk.includes(loseAfter)) {
        loseAfter = undefined
        losing = true
      }
      upstream.write(chunk)
    })
    upstream.on('data', (chunk) => {
      if (!losing) return void client.write(chunk)
      // ReadyForQuery ends the reply: by then the server has committed
      if (!chunk.includes('Z\0\0\0\x05I')) return
      lost += 1
      client.destroy()
      upstream.destroy()
    })
    client.on('close', () => upstream.destroy())
    upstream.on('close', () => client.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('a TCP server without a port')
  const url = new URL(target)
  url.port = String(address.port)
  const breakAll = () => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    url: url.href,
    loseReplyTo: (text) => {
      loseAfter = text
    },
    cut() {
      isCut = true
      breakAll()
    },
    mend() {
      isCut = false
    },
    get lost() {
      return lost
    },
    async close() {
      breakAll()
      server.close()
      await once(server, 'close')
    },
  }
}
