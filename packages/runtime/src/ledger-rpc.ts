import { DomainError, type Envelope } from '@rondo/kernel'
import type { Ledger as LedgerV1 } from '@rondo/proto/ledger'
import { z } from 'zod'
import { type Archives, archives } from './archive-rpc.ts'
import { showParked } from './operator.ts'
import type { Readiness } from './readiness.ts'
import { type Repairs, repairs } from './repair-rpc.ts'
import { between, followed } from './row.ts'
import type { RunningService } from './running-service.ts'
import { type Role, type RpcTable, rpcs } from './service.ts'

export const ledgerService = 'rondo.ledger.v1.Ledger'

/** Whoever works with Rondo may see what was recorded; a mere reporter may not. */
const readers: readonly Role[] = ['developer', 'approver', 'operator', 'product_owner', 'auditor']
const mostEvents = 5000
const defaultEvents = 1000

const shown = (service: string, event: Envelope) => ({
  event_id: event.id,
  service,
  stream: event.stream,
  stream_id: event.streamId,
  version: String(event.version),
  position: String(event.position),
  type: event.type,
  schema_version: event.schemaVersion,
  data_json: JSON.stringify(event.data),
  occurred_at: event.occurredAt,
  recorded_at: event.recordedAt,
  actor: event.actor,
  correlation_id: event.correlationId,
  causation_id: event.causationId,
  traceparent: event.traceparent ?? '',
  loop_ids: [...event.loopIds],
})

/** Opaque to whoever holds it: epoch and position. */
export const cursorOf = (epoch: number, position: number): string => Buffer.from(`${epoch}.${position}`).toString('base64url')

const placeOf = (cursor: string): readonly [epoch: number, position: number] => {
  const [epoch = 0, position = 0] = Buffer.from(cursor, 'base64url').toString().split('.').map(Number)
  return [epoch, position]
}

/** Whether a cursor stands behind another of the same stream. Any is behind the empty one. */
export function isBehind(cursor: string, other: string): boolean {
  const [[epoch, position], [otherEpoch, otherPosition]] = [placeOf(cursor), placeOf(other)]
  return epoch === otherEpoch ? position > otherPosition : epoch > otherEpoch
}

/** The position of a cursor; refuses one that is none, of another epoch, or from the future. */
export function positionOf(cursor: string, head: { readonly position: number; readonly epoch: number }): number {
  const [, epoch, position] = /^(\d{1,9})\.(\d{1,16})$/.exec(Buffer.from(cursor, 'base64url').toString()) ?? []
  if (!epoch || !position) throw new DomainError('invalid', 'cursor: expected the cursor of an answer before', { path: 'cursor' })
  if (Number(epoch) !== head.epoch || Number(position) > head.position) {
    throw new DomainError(
      'stale_cursor',
      `the cursor belongs to epoch ${epoch}, position ${position}; the ledger is at epoch ${head.epoch}, position ${head.position}: begin anew`,
      { path: 'cursor' },
    )
  }
  return Number(position)
}

const finder =
  (services: readonly RunningService[]) =>
  (name: string): RunningService => {
    const found = services.find(({ service }) => service.name === name)
    if (found) return found
    const here = services.map(({ service }) => service.name).join(', ')
    throw new DomainError('not_found', `service: "${name}" does not run in this process; ${here} do`, { path: 'service' })
  }

/** The service that recorded a fact, by its type; of intake: `intake`. */
const ownerOf = ({ stream, type }: Envelope): string => (stream === 'intake' ? stream : (type.split('.')[1] ?? ''))

interface TailRequest {
  readonly service: string
  readonly cursor: string
  readonly types: readonly string[]
  readonly until_head: boolean
}

async function* tail({ ledger }: RunningService, { service, cursor, types, until_head }: TailRequest, signal: AbortSignal) {
  const head = await ledger.head()
  const after = cursor === '' ? head.position : cursor === 'start' ? 0 : positionOf(cursor, head)
  const answer = (event: Envelope, epoch: number) => ({ event: shown(service, event), cursor: cursorOf(epoch, event.position) })
  if (until_head) for await (const event of between(ledger, after, head.position, types)) yield answer(event, head.epoch)
  else for await (const { event, epoch } of followed(ledger, after, types, signal)) yield answer(event, epoch)
}

async function status({ service, ledger, consumer, relay, writes }: RunningService) {
  const [{ position, epoch }, parked, delay] = await Promise.all([ledger.head(), ledger.parkedKeys(), relay.delayMs()])
  return {
    service: service.name,
    position: String(position),
    epoch: String(epoch),
    relay_delay_ms: String(Math.round(delay)),
    parked_keys: parked.map((key) => ({ ...key, waiting: String(key.waiting) })),
    paused_partitions: consumer.paused.map((paused) => ({ ...paused })),
    consumer_lag: String(consumer.lag),
    batch_size: writes.batches > 0 ? writes.units / writes.batches : 0,
    conflict_rate: writes.units > 0 ? writes.conflicts / writes.units : 0,
  }
}

/** The generic RPCs over the ledgers of this process. `own`: whether its parts can work. */
export function ledgerTable(services: readonly RunningService[], own: () => Promise<Readiness>): RpcTable {
  const find = finder(services)
  const reads = rpcs<Omit<LedgerV1, Repairs | Archives>>()({
    History: {
      roles: readers,
      request: z.strictObject({ service: z.string(), loop_id: z.string().min(1), page_size: z.number().int().min(0).max(mostEvents) }),
      call: async ({ service, loop_id, page_size }) => {
        const events = await find(service).ledger.history(loop_id, page_size || defaultEvents)
        return { events: events.map((event) => shown(service, event)) }
      },
    },
    Tail: {
      roles: readers,
      request: z.strictObject({ service: z.string(), cursor: z.string(), types: z.array(z.string().min(1)), until_head: z.boolean() }),
      subscribe: (request, _host, _caller, signal) => tail(find(request.service), request, signal),
    },
    Status: {
      roles: readers,
      request: z.strictObject({ service: z.string() }),
      call: async ({ service }) => ({ services: await Promise.all((service ? [find(service)] : services).map(status)) }),
    },
    ShowParked: {
      roles: readers,
      request: z.strictObject({ service: z.string(), key: z.string().min(1) }),
      call: async ({ service, key }) => {
        const { records, decisions } = await showParked(find(service), key)
        return {
          // A record of another service's topic shows whose it is by its type
          records: records.map(({ source, partition, event }) => ({ source, partition, event: shown(ownerOf(event), event) })),
          decisions: [...decisions],
        }
      },
    },
    Readiness: {
      roles: [],
      open: true,
      request: z.strictObject({ problems_only: z.boolean() }),
      call: async ({ problems_only }) => {
        const { ready, components } = await own()
        const wanted = components.filter((one) => !(problems_only && one.ready))
        return { ready, components: wanted.map(({ cause = '', fix = '', ...one }) => ({ ...one, cause, fix })) }
      },
    },
  })
  return { ...reads, ...repairs(find), ...archives(find) }
}
