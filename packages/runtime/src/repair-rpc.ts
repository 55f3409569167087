import { DomainError } from '@rondo/kernel'
import type { Ledger as LedgerV1 } from '@rondo/proto/ledger'
import { z } from 'zod'
import { foreignFacts } from './foreign-facts.ts'
import { acceptGap, goOnFromBackup, replay, retryParked, skipParked } from './operator.ts'
import type { RunningService } from './running-service.ts'
import { type Role, type RpcTable, rpcs } from './service.ts'

export type Repairs = 'Replay' | 'RetryParked' | 'SkipParked' | 'AcceptGap' | 'Rebuild' | 'RaiseEpoch'

const operators: readonly Role[] = ['operator']
const parkedKey = {
  service: z.string(),
  source: z.string().min(1),
  partition: z.number().int().min(0),
  key: z.string().min(1),
  why: z.string().min(1),
}

const rebuildPlace = z.strictObject({ part: z.enum(['stream', 'view']), name: z.string(), after: z.string() })

function rebuildPlaceOf(token: string): z.infer<typeof rebuildPlace> {
  try {
    return rebuildPlace.parse(JSON.parse(Buffer.from(token, 'base64url').toString()))
  } catch (cause) {
    throw new DomainError('invalid', 'page_token: expected the next_page_token of an answer before', {
      path: 'page_token',
      cause: String(cause),
    })
  }
}

/** What an operator does about a ledger that stands still, or is in doubt. */
export const repairs = (find: (service: string) => RunningService): RpcTable =>
  rpcs<Pick<LedgerV1, Repairs>>()({
    Replay: {
      roles: operators,
      request: z.strictObject({
        service: z.string(),
        from_position: z.string().regex(/^[1-9]\d{0,15}$/, 'a position, from 1'),
        partition: z.number().int().min(0).optional(),
      }),
      call: async ({ service, from_position, partition }) => {
        const { sent, last } = await replay(find(service), { from: Number(from_position), partition })
        return { sent: String(sent), last_position: String(last) }
      },
    },
    RetryParked: {
      roles: operators,
      request: z.strictObject(parkedKey),
      call: async ({ service, why, ...key }, _host, { actor }) => {
        const { applied, waiting, reason } = await retryParked(find(service), key, { actor, why })
        return { applied: String(applied), waiting: String(waiting), reason }
      },
    },
    SkipParked: {
      roles: operators,
      request: z.strictObject(parkedKey),
      call: async ({ service, why, ...key }, _host, { actor }) => {
        const { eventId, waiting } = await skipParked(find(service), key, { actor, why })
        return { event_id: eventId, waiting: String(waiting) }
      },
    },
    AcceptGap: {
      roles: operators,
      request: z.strictObject({
        service: z.string(),
        topic: z.string().min(1),
        partition: z.number().int().min(0),
        why: z.string().trim().min(1, 'why? It is kept with the decision').max(2000),
      }),
      call: async ({ service, why, ...where }, _host, { actor }) => {
        const { wanted, next } = await acceptGap(find(service), where, { actor, why })
        return { wanted_offset: String(wanted), next_offset: String(next) }
      },
    },
    Rebuild: {
      roles: operators,
      request: z.strictObject({ service: z.string(), check_only: z.boolean(), page_token: z.string() }),
      call: async ({ service, check_only, page_token }) => {
        const from = page_token === '' ? undefined : rebuildPlaceOf(page_token)
        const running = find(service)
        const options = { from, repair: !check_only, foreign: foreignFacts(running) }
        const { part, name, looked, differing, repaired, left = '', next } = await running.ledger.rebuildPage(options)
        return {
          part: `${part} ${name}`,
          looked: String(looked),
          differing: differing.map((one) => ({ ...one })),
          repaired: String(repaired),
          left,
          next_page_token: next ? Buffer.from(JSON.stringify(next)).toString('base64url') : '',
        }
      },
    },
    RaiseEpoch: {
      roles: ['admin'],
      request: z.strictObject({ service: z.string(), anyway: z.boolean() }),
      call: async ({ service, anyway }) => {
        const { older, epoch } = await goOnFromBackup(find(service), anyway)
        return { epoch: String(epoch), older_copy: older }
      },
    },
  })
