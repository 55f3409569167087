import { DomainError, toInstant } from '@rondo/kernel'
import type { ArchivePlace } from '@rondo/ledger'
import type { Ledger as LedgerV1 } from '@rondo/proto/ledger'
import { z } from 'zod'
import type { RunningService } from './running-service.ts'
import { type Role, type RpcTable, rpcs } from './service.ts'

export type Archives = 'Archive' | 'Unarchive' | 'CheckArchive'

const operators: readonly Role[] = ['operator']
const place = z.strictObject({ stream: z.string(), at: z.string(), id: z.string() })

function placeOf(token: string): ArchivePlace | undefined {
  if (token === '') return undefined
  try {
    return place.parse(JSON.parse(Buffer.from(token, 'base64url').toString()))
  } catch (cause) {
    throw new DomainError('invalid', 'page_token: expected the next_page_token of an answer before', {
      path: 'page_token',
      cause: String(cause),
    })
  }
}

const before = z.iso.datetime({ offset: true, error: 'before when? RFC 3339, such as 2026-01-31T00:00:00Z' })

/** What an operator does to keep a ledger small: closed streams into files, and back. */
export const archives = (find: (service: string) => RunningService): RpcTable =>
  rpcs<Pick<LedgerV1, Archives>>()({
    Archive: {
      roles: operators,
      request: z.strictObject({ service: z.string(), before, dry_run: z.boolean(), page_token: z.string() }),
      call: async (request, _host, { actor }) => {
        const { looked, kept, streams, events, manifest, dropped, next } = await find(request.service).ledger.archivePage({
          before: toInstant(new Date(request.before)),
          from: placeOf(request.page_token),
          dryRun: request.dry_run,
          actor,
        })
        return {
          looked: String(looked),
          kept: String(kept),
          streams: String(streams),
          events: String(events),
          file: manifest?.file ?? '',
          sha256: manifest?.sha256 ?? '',
          bytes: String(manifest?.bytes ?? 0),
          dropped_partitions: dropped,
          next_page_token: next ? Buffer.from(JSON.stringify(next)).toString('base64url') : '',
        }
      },
    },
    Unarchive: {
      roles: operators,
      request: z.strictObject({ service: z.string(), file: z.string().min(1) }),
      call: async ({ service, file }, _host, { actor }) => {
        const { streams, events } = await find(service).ledger.unarchive({ file, actor })
        return { streams: String(streams), events: String(events) }
      },
    },
    CheckArchive: {
      roles: operators,
      request: z.strictObject({ service: z.string(), after: z.number().int().min(0) }),
      call: async ({ service, after }) => {
        const files = await find(service).ledger.checkArchive(after)
        return {
          files: files.map(({ name, number, events, bytes, problem = '' }) => ({
            name,
            number,
            events: String(events),
            bytes: String(bytes),
            problem,
          })),
        }
      },
    },
  })
