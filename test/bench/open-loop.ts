import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2'
import { setTimeout as pause } from 'node:timers/promises'
import { status } from '@grpc/grpc-js'
import { acceptedIn, emitRequests } from './intake-client.ts'

/*
 * Calls at a rate, whatever becomes of those before them. Without a gRPC library, which costs the caller as much as a call costs the other
 * side: on two cores the caller's own queue would be measured.
 */

/** A caller that gets neither an answer nor "later" within this long has been left alone. */
export const deadlineMs = 10_000

/** `later`: told so by Rondo, and when to try again. What the transport says, or a status without that, is `failed`. */
type Ending = 'accepted' | 'later' | 'left alone' | 'failed'
export interface Ended {
  readonly as: Ending
  readonly ms: number
}

/** A gRPC frame: one message, not compressed. */
function framed(message: Buffer): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(message.length, 1)
  return Buffer.concat([head, message])
}

interface Open {
  readonly begin: number
  readonly stream: ClientHttp2Stream
}

export interface Emitter {
  /** One event; never rejects. */
  emit(): Promise<Ended>
  /** Gives up on calls that are past their deadline. */
  sweep(): void
  close(): void
}

/** What the heads of an answer say: none of a status while its message is still to come. */
function endingOf(heads: Readonly<Record<string, unknown>>, message: Buffer): Ending {
  const code = heads['grpc-status']
  if (code === '0') return acceptedIn(message.subarray(5)) ? 'accepted' : 'failed'
  const typed = code === String(status.UNAVAILABLE) && heads['grpc-status-details-bin'] !== undefined
  return typed ? 'later' : 'failed'
}

/** Node's own bound counts each open call, and would answer in the other side's place: it is raised. Errors are told by each call. */
const connected = (address: string): ClientHttp2Session =>
  connect(`http://${address}`, { maxSessionMemory: 1000 }).on('error', () => undefined)

export function emitter(address: string, token: string): Emitter {
  let session = connected(address)
  const request = emitRequests()
  const open = new Set<Open>()
  const head = {
    ':method': 'POST',
    ':path': '/rondo.intake.v1.Intake/Emit',
    'content-type': 'application/grpc',
    te: 'trailers',
    authorization: `Bearer ${token}`,
    'grpc-timeout': `${deadlineMs}m`,
  }
  return {
    emit() {
      const { promise, resolve } = Promise.withResolvers<Ended>()
      // The other side ends a connection over which very many calls were given up; a gRPC library connects again, too
      if (session.closed || session.destroyed) session = connected(address)
      const one: Open = { begin: performance.now(), stream: session.request(head) }
      open.add(one)
      const parts: Buffer[] = []
      let heads: Readonly<Record<string, unknown>> = {}
      const told = (more: object) => {
        heads = { ...heads, ...more }
      }
      one.stream
        .on('response', told)
        .on('trailers', told)
        .on('data', (part: Buffer) => parts.push(part))
        .on('error', () => undefined)
        .on('close', () => {
          open.delete(one)
          const ms = performance.now() - one.begin
          resolve({ as: ms >= deadlineMs ? 'left alone' : endingOf(heads, Buffer.concat(parts)), ms })
        })
        .end(framed(request()))
      return promise
    },
    sweep() {
      for (const { begin, stream } of open) {
        if (performance.now() - begin < deadlineMs) return
        stream.close(constants.NGHTTP2_CANCEL)
      }
    },
    close: () => session.destroy(),
  }
}

interface Offered {
  readonly sent: number
  /** Calls in a second: fewer than were asked for where the caller's own process was late. */
  readonly rate: number
  /** Of all of them, whatever they waited for. */
  readonly ended: Promise<readonly Ended[]>
}

/** Resolves when the last of them was sent. */
export async function openLoop(client: Emitter, perSecond: number, ms: number): Promise<Offered> {
  const all: Promise<Ended>[] = []
  const begin = performance.now()
  for (let now = begin; now < begin + ms; now = performance.now()) {
    const due = Math.floor(((now - begin) * perSecond) / 1000)
    while (all.length < due) all.push(client.emit())
    client.sweep()
    await pause(2)
  }
  const rate = (all.length * 1000) / (performance.now() - begin)
  const sweeping = setInterval(() => client.sweep(), 100)
  return { sent: all.length, rate, ended: Promise.all(all).finally(() => clearInterval(sweeping)) }
}
