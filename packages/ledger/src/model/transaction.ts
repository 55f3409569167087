import type { Wire } from '@rondo/bus/wire'
import type { Parking, Transaction } from '../store.ts'
import { jsonb, type ModelDatabase } from './database.ts'
import { chainKey, parkedKey } from './names.ts'

type Ask = Wire['call']

export function transactions(database: ModelDatabase, ask: Ask, sessions: Set<() => void>): Parking {
  const { parkedKeys, parkedRecords } = database
  return {
    parkedKeys: () =>
      ask('parked keys', () =>
        [...parkedKeys.values()]
          .map((row) => ({ ...row, waiting: parkedRecords.get(parkedKey(row))?.size ?? 0 }))
          .sort((one, other) => (order(one) < order(other) ? -1 : 1)),
      ),
    isParked: ({ source, partition, key }) =>
      ask('is parked', () =>
        [...parkedKeys.values()].some(
          (one) => topicOf(one.source) === topicOf(source) && one.partition === (partition ?? one.partition) && one.key === key,
        ),
      ),
    parkedRecords: (name) =>
      ask('parked records', () =>
        [...(parkedRecords.get(parkedKey(name))?.values() ?? [])].sort((one, other) => one.position - other.position),
      ),
    wasApplied: ({ source, partition, key, position }) =>
      ask('was applied', () =>
        database.decisions.some(
          (one) => one.decision === 'applied' && parkedKey(one) === parkedKey({ source, partition, key }) && one.position === position,
        ),
      ),
    /** One lock for all: what one transaction writes is seen by the others when it was committed. */
    async transaction(_, work) {
      const session = new Session(database, sessions)
      try {
        await ask('begin', () => session.begin())
        const result = await work(statements(database, ask, session))
        await ask('commit', () => session.commit())
        return result
      } finally {
        session.end()
      }
    },
  }
}

const topicOf = (source: string) => source.split('#')[0]

const order = ({ since, source, partition, key }: { since: string; source: string; partition: number; key: string }) =>
  JSON.stringify([since, source, partition, key])

/** What a transaction has written so far, unseen by others, and the lock that it holds. */
class Session {
  readonly #database: ModelDatabase
  readonly #sessions: Set<() => void>
  readonly #writes: (() => void)[] = []
  #unlock: (() => void) | undefined
  #ended = false

  constructor(database: ModelDatabase, sessions: Set<() => void>) {
    this.#database = database
    this.#sessions = sessions
    // From the first: who is gone before it has begun must never hold the lock
    sessions.add(this.end)
  }

  async begin(): Promise<void> {
    const unlock = await this.#database.lock()
    // Whoever waited may be gone
    if (this.#ended) unlock()
    else this.#unlock = unlock
  }

  later(write: () => void): void {
    this.#writes.push(write)
  }

  commit(): void {
    if (this.#ended) return
    this.#database.durably(() => {
      for (const write of this.#writes) write()
    })
    this.end()
  }

  /** Its connection is gone: nothing of it is done. */
  readonly end = (): void => {
    this.#ended = true
    this.#unlock?.()
    this.#sessions.delete(this.end)
  }
}

function statements(database: ModelDatabase, ask: Ask, session: Session): Transaction {
  const { parkedKeys, parkedRecords, checkpoints } = database
  const write = (what: string, run: () => void) => ask(what, () => session.later(run))
  return {
    checkpoint: (source, partition) => ask('checkpoint', () => checkpoints.get(chainKey(source, partition))),
    moveCheckpoint: ({ source, partition, position, nextOffset }) =>
      write('move checkpoint', () => void checkpoints.set(chainKey(source, partition), { source, partition, position, nextOffset })),
    parkedPartition: (source, key) =>
      ask('parked partition', () => [...parkedKeys.values()].find((one) => one.source === source && one.key === key)?.partition),
    insertParkedKey: ({ source, partition, key }, reason) =>
      write('insert parked key', () => {
        const name = parkedKey({ source, partition, key })
        if (!parkedKeys.has(name)) parkedKeys.set(name, { source, partition, key, reason, since: database.instant })
      }),
    countParked: (name) => ask('count parked', () => parkedRecords.get(parkedKey(name))?.size ?? 0),
    isDelivered: (name, { id, hash }) =>
      ask(
        'is delivered',
        () =>
          database.messages.get(id)?.hash === hash ||
          [...(parkedRecords.get(parkedKey(name))?.values() ?? [])].some((one) => one.event.id === id && one.hash === hash),
      ),
    insertParked: ({ source, partition, key, position, event, ...hash }) =>
      ask('insert parked', () => {
        const text = jsonb(event)
        session.later(() => {
          const name = parkedKey({ source, partition, key })
          const records = parkedRecords.get(name) ?? new Map()
          if (!records.has(position)) records.set(position, { source, partition, key, position, event: JSON.parse(text), ...hash })
          parkedRecords.set(name, records)
        })
      }),
    removeParked: (record) =>
      ask('remove parked', () => {
        const records = parkedRecords.get(parkedKey(record))
        if (!records?.has(record.position)) return false
        session.later(() => void records.delete(record.position))
        return true
      }),
    removeKeyIfEmpty: (name) => write('remove key', () => database.removeKeyIfEmpty(name)),
    noteSkipped: ({ source, partition, key, position, event }, { actor, why }) =>
      write('note skipped', () => database.note('skipped', { source, partition, key, position, eventId: event.id, actor, why })),
    noteGap: (gap) => write('note gap', () => void database.gaps.push(gap)),
  }
}
