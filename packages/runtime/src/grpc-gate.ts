import { timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders, OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import {
  type Metadata,
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
  type StatusObject,
} from '@grpc/grpc-js'
import { DomainError } from '@rondo/kernel'
import type { Admission, Place } from './admission.ts'
import type { Method } from './grpc-definition.ts'
import type { Metrics } from './metrics.ts'
import type { CallLimit } from './service.ts'
import { toStatus } from './status.ts'

/** Under it a process's own calls to itself say so: what they are part of was let in already. */
export const withinHeader = 'x-rondo-within'

/** What a call has to pass before anything is done for it, not even its request read. */
export interface Gate {
  readonly admission: Pick<Admission, 'enter' | 'refusal'>
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

function isWithin(metadata: Metadata, { within }: Gate): boolean {
  const [given] = metadata.get(withinHeader)
  return typeof given === 'string' && given.length === within.length && timingSafeEqual(Buffer.from(given), Buffer.from(within))
}

/** `127.0.0.1:40312` → `127.0.0.1` */
const addressOf = (peer: string): string => peer.replace(/:\d+$/, '')

/** Streams are read no faster than they are worked on: nothing piles up behind them. */
const hasPlace = ({ bounded, clientStreams, serverStreams }: Passing): boolean => bounded && !clientStreams && !serverStreams

/** Of refusals that are made once and told often. */
const statuses = new WeakMap<DomainError, StatusObject>()
function statusOf(refusal: DomainError): StatusObject {
  const known = statuses.get(refusal) ?? toStatus(refusal)
  statuses.set(refusal, known)
  return known
}

type Listener = Parameters<ServerInterceptingCallInterface['start']>[0]
type Status = Parameters<ServerInterceptingCallInterface['sendStatus']>[0]

const countRefusal = ({ metrics }: Gate, { code }: DomainError, { name }: Passing): void =>
  metrics.refusals.add(1, { code, 'rpc.method': name })

/** A call at the gate, as the library has it: whoever is refused is told so when the head of the call has come, its request is not read. */
class GatedCall extends ServerInterceptingCall {
  readonly #call: ServerInterceptingCallInterface
  readonly #gate: Gate
  readonly #passing: Passing
  #place: Place | undefined
  /** The handler has the whole request: from then on the call ends when that has answered, whether or not somebody still waits. */
  #handled = false
  #gone = false

  constructor(call: ServerInterceptingCallInterface, gate: Gate, passing: Passing) {
    super(call)
    this.#call = call
    this.#gate = gate
    this.#passing = passing
  }

  override start(listener: Listener): void {
    this.#call.start({
      onReceiveMetadata: (metadata) => this.#arrive(metadata, () => listener.onReceiveMetadata(metadata)),
      onReceiveMessage: (message: Buffer) =>
        this.#refusable(
          () => this.#place?.hold(message.length),
          () => listener.onReceiveMessage(message),
        ),
      onReceiveHalfClose: () => {
        this.#handled = true
        listener.onReceiveHalfClose()
      },
      onCancel: () => {
        this.#gone = true
        // The library ends such a call itself today; a place that nobody leaves would be gone for ever
        if (!this.#handled) this.#place?.leave()
        listener.onCancel()
      },
    })
  }

  override sendMetadata(metadata: Metadata): void {
    this.#call.sendMetadata(metadata)
  }

  override sendMessage(message: unknown, callback: () => void): void {
    // Of a call with a place it is the answer; who is gone takes none, and its status is never asked for
    this.#place?.leave()
    this.#call.sendMessage(message, callback)
  }

  override sendStatus(status: Status): void {
    this.#place?.leave()
    this.#call.sendStatus(status)
  }

  #arrive(metadata: Metadata, goOn: () => void): void {
    const { limit } = this.#gate
    if (isWithin(metadata, this.#gate)) {
      goOn()
      return
    }
    const asked = limit?.({ authorization: metadata.get('authorization')[0]?.toString(), address: addressOf(this.#call.getPeer()) })
    if (asked)
      void asked.then(
        () => this.#enter(goOn),
        (error) => this.#refuse(error),
      )
    else this.#enter(goOn)
  }

  #enter(goOn: () => void): void {
    if (this.#gone) return
    this.#refusable(() => {
      if (hasPlace(this.#passing)) this.#place = this.#gate.admission.enter(0)
    }, goOn)
  }

  #refusable(ask: () => void, goOn: () => void): void {
    try {
      ask()
    } catch (error) {
      this.#refuse(error)
      return
    }
    goOn()
  }

  #refuse(error: unknown): void {
    if (!(error instanceof DomainError)) throw error
    countRefusal(this.#gate, error, this.#passing)
    this.sendStatus(statusOf(error))
  }
}

/** Heads of an answer that says nothing but its status. */
const answers = new WeakMap<DomainError, OutgoingHttpHeaders>()
function answerOf(refusal: DomainError): OutgoingHttpHeaders {
  const known = answers.get(refusal)
  if (known) return known
  const { code, details, metadata } = statusOf(refusal)
  const made = {
    ':status': 200,
    'content-type': 'application/grpc+proto',
    'grpc-status': code,
    'grpc-message': encodeURI(details),
    ...metadata.toHttp2Headers(),
  }
  answers.set(refusal, made)
  return made
}

/** What the library does with a stream whose head has come. */
type StreamHandler = (extra: ServerInterceptor[], stream: ServerHttp2Stream, heads: IncomingHttpHeaders) => void

/** `passings`: by the method's path; what has none has nothing to pass. */
export function gateOf(gate: Gate, passings: ReadonlyMap<string, Passing>) {
  const interceptor: ServerInterceptor = ({ path }, call) => {
    const passing = passings.get(path)
    return passing ? new GatedCall(call, gate, passing) : new ServerInterceptingCall(call)
  }
  /** Where there is no room, the answer is given before the library makes a call of the stream: that is most of what a refusal costs. */
  const ahead =
    (handle: StreamHandler): StreamHandler =>
    (extra, stream, heads) => {
      const passing = passings.get(heads[':path'] ?? '')
      const refusal = passing && hasPlace(passing) && heads[withinHeader] === undefined ? gate.admission.refusal() : undefined
      if (!passing || !refusal) return handle(extra, stream, heads)
      countRefusal(gate, refusal, passing)
      stream.on('error', () => undefined)
      stream.resume()
      stream.respond(answerOf(refusal), { endStream: true })
    }
  return { interceptor, ahead }
}
