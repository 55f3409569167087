import { DomainError, type Instant, toInstant } from '@rondo/kernel'
import type { Event, Intake } from '@rondo/proto/intake'
import { type Caller, type Host, type Received, rpcs } from '@rondo/runtime'
import { z } from 'zod'
import type { Observed } from './adapters/adapter.ts'
import { adaptEmitted } from './adapters/emitted.ts'
import { receipt } from './http-intake.ts'
import { type Delivered, deliver, type Result } from './intake.ts'
import { withPersons } from './persons.ts'
import { refusal } from './refusal.ts'
import { together } from './together.ts'

const senders = ['reporter', 'developer', 'operator'] as const
const now = (): Instant => toInstant(new Date())
/** Each event is checked by itself, so that one that is wrong does not touch the others. */
const event = z.custom<Event>((value) => value !== null && typeof value === 'object', 'an event')

const isObserved = (one: Delivered): one is Observed => !(one instanceof DomainError)

async function emit(host: Host, { actor }: Caller, events: readonly (Event | DomainError)[]): Promise<Result[]> {
  const at = now()
  const { resolved, unresolved } = await withPersons(host.ledger.read, (who) =>
    events.map((one): Delivered => {
      if (one instanceof DomainError) return one
      try {
        return adaptEmitted(one, who, at)
      } catch (error) {
        if (error instanceof DomainError) return error
        throw error
      }
    }),
  )
  const contents = unresolved.map((one, index) => (isObserved(one) ? one : resolved[index])) as readonly Observed[]
  return [...(await deliver(host, actor, resolved, contents))]
}

const nothing = { code: 'invalid', message: 'event: an event was expected', path: 'event' } as const

/** Events of one stream that are read and not answered yet. */
const window = 512

function eventOf(received: Received<{ event: Event | null }>): Event | DomainError {
  if ('request' in received && received.request.event) return received.request.event
  const { code, message, path } = 'refusal' in received ? received.refusal : nothing
  return new DomainError(code, message, { path })
}

export const intakeRpc = rpcs<Intake>()({
  Emit: {
    roles: senders,
    request: z.strictObject({ event: event.nullable() }),
    call: async ({ event: one }, host, caller) => {
      if (!one) throw new DomainError('invalid', 'event: an event was expected', { path: 'event' })
      const [result] = await emit(host, caller, [one])
      if (result?.status === 'refused' && result.code) throw new DomainError(result.code, result.message, { path: `event.${result.path}` })
      return { result: result ?? null }
    },
  },
  EmitBatch: {
    roles: senders,
    request: z.strictObject({ events: z.array(event).min(1).max(500) }),
    call: async ({ events }, host, caller) => ({ results: await emit(host, caller, events) }),
  },
  EmitStream: {
    roles: senders,
    request: z.strictObject({ event: event.nullable() }),
    duplex: async function* (requests, host, caller) {
      let index = 0
      const results = together(requests, (received) => host.admission.inTurn(() => emit(host, caller, received.map(eventOf))), window)
      for await (const result of results) yield { index: String(index++), result }
    },
  },
  GetReceipt: {
    roles: [],
    request: z.strictObject({ event_id: z.string() }),
    call: ({ event_id }, host) => receipt(host, event_id),
  },
  ListRefused: {
    roles: ['operator', 'developer', 'auditor'],
    request: z.strictObject({ page_size: z.number().int().max(500), page_token: z.string() }),
    query: async ({ page_size, page_token }, read) => {
      const { items, nextPageToken } = await read.list(refusal, { pageSize: page_size || 50, pageToken: page_token })
      const refused = items.map(({ id, state }) => ({
        refusal_id: id,
        source: state.source ?? '',
        delivery: state.delivery ?? '',
        code: state.code ?? '',
        path: state.path ?? '',
        reason: state.reason ?? '',
        raw: state.raw ?? '',
        refused_at: state.at ?? '',
      }))
      return { refused, next_page_token: nextPageToken }
    },
  },
})
