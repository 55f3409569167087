import { timingSafeEqual } from 'node:crypto'
import type { handleServerStreamingCall, handleUnaryCall, Metadata, StatusObject, UntypedHandleCall } from '@grpc/grpc-js'
import { DomainError } from '@rondo/kernel'
import type { Admission } from './admission.ts'
import type { Method } from './grpc-definition.ts'
import type { Metrics } from './metrics.ts'
import type { CallLimit } from './service.ts'
import { toStatus } from './status.ts'

/** Under it a process's own calls to itself say so: what they are part of was let in already. */
export const withinHeader = 'x-rondo-within'

/** What a call has to pass before anything is done for it, not even its request read. */
export interface Gate {
  readonly admission: Pick<Admission, 'enter'>
  readonly metrics: Metrics
  /** What the process's own calls to itself carry; nobody else knows it. */
  readonly within: string
  /** Calls of one caller, at the edge. */
  limit?: CallLimit | undefined
}

/** `bounded`: work that can pile up; a reader's stream does not, and what an operator asks has to be answered when all else waits. */
export interface Passing extends Pick<Method, 'name' | 'clientStreams' | 'serverStreams'> {
  readonly bounded: boolean
}

interface Call {
  readonly metadata: Metadata
  getPeer(): string
}

function isWithin({ metadata }: Call, { within }: Gate): boolean {
  const [given] = metadata.get(withinHeader)
  return typeof given === 'string' && given.length === within.length && timingSafeEqual(Buffer.from(given), Buffer.from(within))
}

/** `127.0.0.1:40312` → `127.0.0.1` */
const addressOf = (peer: string): string => peer.replace(/:\d+$/, '')

/** Of refusals that are made once and told often. */
const statuses = new WeakMap<DomainError, StatusObject>()
function statusOf(refusal: DomainError): StatusObject {
  const known = statuses.get(refusal) ?? toStatus(refusal)
  statuses.set(refusal, known)
  return known
}

const nothing = () => undefined

/** Resolves with what is to be called when the call has ended; rejects with the refusal. */
async function pass(call: Call, bytes: number, gate: Gate, { bounded }: Passing): Promise<() => void> {
  if (isWithin(call, gate)) return nothing
  const asked = gate.limit?.({ authorization: call.metadata.get('authorization')[0]?.toString(), address: addressOf(call.getPeer()) })
  if (asked) await asked
  return bounded ? gate.admission.enter(bytes) : nothing
}

function refused(error: unknown, { metrics }: Gate, { name }: Passing): StatusObject {
  if (!(error instanceof DomainError)) throw error
  metrics.refusals.add(1, { code: error.code, 'rpc.method': name })
  return statusOf(error)
}

const unary =
  (handler: handleUnaryCall<Buffer, object>, gate: Gate, passing: Passing): handleUnaryCall<Buffer, object> =>
  async (call, callback) => {
    let leave: () => void
    try {
      leave = await pass(call, call.request.length, gate, passing)
    } catch (error) {
      return callback(refused(error, gate, passing))
    }
    handler(call, (...answer) => {
      leave()
      callback(...answer)
    })
  }

/** Of one side or of both: the call is handed on as it is. */
const streaming =
  (handler: handleServerStreamingCall<Buffer, object>, gate: Gate, passing: Passing): handleServerStreamingCall<Buffer, object> =>
  async (call) => {
    try {
      await pass(call, 0, gate, { ...passing, bounded: false })
    } catch (error) {
      call.emit('error', refused(error, gate, passing))
      return
    }
    handler(call)
  }

/** The handler behind the gate. */
export function gated(handler: UntypedHandleCall, gate: Gate, passing: Passing): UntypedHandleCall {
  if (passing.clientStreams || passing.serverStreams) return streaming(handler as handleServerStreamingCall<Buffer, object>, gate, passing)
  return unary(handler as handleUnaryCall<Buffer, object>, gate, passing)
}
