import { DomainError } from '@rondo/kernel'
import { loadProtos } from '@rondo/proto'
import { type Channels, createChannels } from '@rondo/runtime'
import { z } from 'zod'
import { type Answered, streamed } from './streaming.ts'
import type { History, Outcome, Target } from './told.ts'

/** One gateway as callers see it. */
export interface Gateway {
  readonly url: string
  /** `host:port` */
  readonly grpc: string
}

export interface Ask {
  readonly target: 'requirements' | 'operations'
  readonly method: string
  readonly messageId: string
  readonly request: Readonly<Record<string, unknown>>
}

export interface Delivery {
  readonly messageId: string
  readonly body: Readonly<Record<string, unknown>>
}

export interface Events {
  readonly messageId: string
  readonly events: readonly object[]
}

const protos = loadProtos()
/** RFC 9457. */
const problem = z.object({ code: z.string(), detail: z.string() })
/** Milliseconds that a caller waits before it tries elsewhere. */
const patience = 6000

/** What says nothing about whether it happened. */
const unsure: readonly string[] = ['unavailable', 'timed_out', 'conflict', 'rate_limited', 'overloaded']

/** What the gRPC library says by itself of a connection; all else that says "later" comes from Rondo. */
const transport = /ECONN|EPIPE|connection|dropped|RST_STREAM|GOAWAY|stream|deadline/i

/** Something that leaves open whether it happened, or a refusal. */
const told = (code: string, message: string): Outcome =>
  unsure.includes(code) ? { kind: 'unknown', code, message, typed: !transport.test(message) } : { kind: 'refused', code, message }

const lastOf = (error: unknown): string => {
  const cause = error instanceof Error && error.cause instanceof Error ? `: ${error.cause.message}` : ''
  return error instanceof Error ? `${error.message}${cause}` : String(error)
}

function refusalOf(error: unknown): Outcome {
  if (!(error instanceof DomainError)) return { kind: 'unknown', code: 'unavailable', message: lastOf(error), typed: false }
  const { code, message } = error
  // What the gRPC library says by itself when a connection breaks in the middle of a call
  const broken = code === 'internal' && !message.startsWith('a defect in Rondo')
  return broken ? { kind: 'unknown', code, message, typed: false } : told(code, message)
}

/** Callers of the public edge, each with what it is told kept in the history. */
export class Edge {
  readonly #gateways: readonly Gateway[]
  readonly #channels: readonly Channels[]
  readonly #history: History
  readonly #token: string

  constructor(gateways: readonly Gateway[], token: string, history: History) {
    this.#gateways = gateways
    this.#channels = gateways.map(({ grpc }) => createChannels(protos, () => grpc))
    this.#history = history
    this.#token = token
  }

  get count(): number {
    return this.#gateways.length
  }

  /** Over gRPC. */
  ask(edge: number, { target, method, messageId, request }: Ask): Promise<Outcome> {
    return this.#kept(edge, target, method, messageId, request, async () => {
      const options = { authorization: `Bearer ${this.#token}`, messageId, timeoutMs: patience }
      const name = `rondo.${target}.v1.${target[0]?.toUpperCase()}${target.slice(1)}/${method}`
      return { kind: 'acknowledged', answer: { ...(await this.#channel(edge).call(target, name, request, options)) } }
    })
  }

  /** Intake over gRPC, events with ids of the sender's own. */
  emit(edge: number, { messageId, body }: Delivery): Promise<Outcome> {
    return this.#kept(edge, 'intake', 'EmitBatch', messageId, {}, async () => {
      const options = { authorization: `Bearer ${this.#token}`, timeoutMs: patience }
      const answer = await this.#channel(edge).call('gateway', 'rondo.intake.v1.Intake/EmitBatch', body, options)
      return accepted(answer)
    })
  }

  /** The same over a stream. */
  stream(edge: number, { messageId, events }: Events): Promise<Outcome> {
    return this.#kept(edge, 'intake', 'EmitStream', messageId, {}, async () => {
      const options = { authorization: `Bearer ${this.#token}`, timeoutMs: patience }
      const { results, error } = await streamed(this.#channel(edge).client('gateway'), events, options)
      if (error === undefined && results.length === events.length) return accepted({ results })
      const outcome = refusalOf(error ?? new DomainError('unavailable', 'the stream ended before its last answer'))
      return outcome.kind === 'unknown' ? { ...outcome, taken: takenOf(results) } : outcome
    })
  }

  /** Alertmanager's webhook. */
  alert(edge: number, { messageId, body }: Delivery): Promise<Outcome> {
    return this.#kept(edge, 'intake', 'alertmanager', messageId, {}, async () => {
      const response = await fetch(`${this.#gateways[edge]?.url}/v1/webhooks/alertmanager`, {
        method: 'POST',
        headers: { authorization: `Bearer ${this.#token}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(patience),
      })
      const text = await response.text()
      if (response.status === 202) return accepted(JSON.parse(text) as object)
      const { code, detail } = problem.parse(JSON.parse(text))
      return told(code, detail)
    })
  }

  close(): void {
    for (const channels of this.#channels) channels.close()
  }

  #channel(edge: number): Channels {
    const found = this.#channels[edge]
    if (!found) throw new RangeError(`there is no gateway ${edge}`)
    return found
  }

  #kept(
    edge: number,
    target: Target,
    method: string,
    messageId: string,
    request: Readonly<Record<string, unknown>>,
    work: () => Promise<Outcome>,
  ): Promise<Outcome> {
    const call = { target, method, messageId, edge, request, begun: performance.now() }
    return this.#history.kept(call, async () => {
      try {
        return await work()
      } catch (error) {
        return refusalOf(error)
      }
    })
  }
}

const takenOf = (results: readonly Answered[]): readonly string[] =>
  results.flatMap(({ status, event_id }) => (status === 'refused' ? [] : [event_id]))

const answers = z.object({
  results: z.array(z.object({ status: z.string(), code: z.string(), message: z.string(), event_id: z.string() })).min(1),
})

/** What was not taken is sent again with the rest, which stands. */
function accepted(answer: object): Outcome {
  const { success, data } = answers.safeParse(answer)
  if (!success) return { kind: 'refused', code: 'internal', message: `an answer without results: ${JSON.stringify(answer)}` }
  const { results } = data
  const refused = results.find(({ status }) => status === 'refused')
  const taken = takenOf(results)
  // The ids and no more: there are very many
  if (!refused) return { kind: 'acknowledged', answer: { taken } }
  const outcome = told(refused.code, refused.message)
  return outcome.kind === 'unknown' ? { ...outcome, taken } : outcome
}
