import { randomUUID } from 'node:crypto'
import type { AnyStream, Message } from '@rondo/kernel'
import type { View } from '@rondo/reaction'
import { freshDatabase, needs } from '@rondo/testkit'
import { type LedgerOptions, migrate, type OpenLedger, openLedger, openLedgerOn, type StoreOptions, type Unit } from '../src/index.ts'
import { ModelDatabase } from '../src/model/database.ts'
import { modelStore } from '../src/model/store.ts'
import { order, sums } from './order-stream.ts'

export const migrations = new URL('migrations/', import.meta.url)
export const service = 'testing'
export const role = 'rondo_testing'

/** The URL with the role's name in it; the tests' servers trust whoever connects. */
export function asRole(ownerUrl: string, user: string): string {
  const url = new URL(ownerUrl)
  url.username = user
  url.password = 'secret'
  return url.href
}

export async function freshLedger(major: 15 | 18 = 18): Promise<{ ownerUrl: string; url: string }> {
  const ownerUrl = await freshDatabase({
    major,
    template: { name: 'ledger_testing', prepare: (url) => migrate(url, { service, role, migrations }) },
  })
  // the search path belongs to role and database: the clone needs its own
  await migrate(ownerUrl, { service, role, migrations })
  return { ownerUrl, url: asRole(ownerUrl, role) }
}

export function open(
  url: string,
  options: Partial<LedgerOptions> & { streams?: readonly AnyStream[]; views?: readonly View[] } = {},
): Promise<OpenLedger> {
  return openLedger({ service, streams: [order], views: [sums], database: url, connections: 4, ...options })
}

const cause = { actor: 'person:ada', correlationId: 'correlation', causationId: 'cause' }

export function unit(messages: readonly Message[], given: Partial<Unit> = {}): Unit {
  const id = given.id ?? randomUUID()
  return { id, hash: `hash of ${id}`, remember: true, messages, cause, ...given }
}

/** One database, and the ledgers that processes open on it. */
export type Opening = (options?: Partial<Omit<StoreOptions, 'store' | 'views'>>) => Promise<OpenLedger>

/** What the suite of the store runs on: the real ones and the model. */
export const engines: readonly {
  readonly name: string
  readonly needs: () => ReturnType<typeof needs>
  readonly fresh: () => Promise<Opening>
}[] = [
  ...([15, 18] as const).map((major) => ({
    name: `PostgreSQL ${major}`,
    needs: () => needs(`postgres${major}`),
    async fresh(): Promise<Opening> {
      const { url } = await freshLedger(major)
      return (options) => open(url, { ...options, views: [] })
    },
  })),
  {
    name: 'the model',
    needs: () => needs(),
    async fresh() {
      const database = new ModelDatabase()
      return (options) => openLedgerOn({ service, streams: [order], ...options, store: modelStore({ database }) })
    },
  },
]
