import { soundWire, type Wire } from '@rondo/bus/wire'
import { type Envelope, fold } from '@rondo/kernel'
import type { LedgerRules } from '../rules.ts'
import { type HeadRow, keyOf, type Seen, type StoredMessage } from '../storage.ts'
import type { Reading, RebuildOptions, RebuiltPage, Relaying, Store, Woken, Writing } from '../store.ts'
import { jsonb, type ModelDatabase, type StoredStream } from './database.ts'
import { chainKey, heldKey, timerKey } from './names.ts'
import { raiseFolds } from './raised-fold.ts'
import { transactions } from './transaction.ts'

export interface ModelStoreOptions {
  readonly database: ModelDatabase
  readonly wire?: Wire
  /** Ends each transaction that is open, as the server does when the connections break. */
  readonly sessions?: Set<() => void>
}

const headOf = ({ stream, id, version, fold, state, phase, first_at, last_at }: StoredStream): HeadRow => ({
  stream,
  id,
  version,
  fold,
  state: JSON.parse(state),
  phase: phase ?? null,
  firstAt: first_at,
  lastAt: last_at,
})
const seenIn = ({ head: { position, recordedAt, repaired } }: ModelDatabase): Seen => ({ position, recordedAt, repaired })
const byText = (one: string, other: string) => (one < other ? -1 : one > other ? 1 : 0)

/** A process's connections to a database in memory. It knows no SQL: views are PostgreSQL's. */
export function modelStore({ database, wire = soundWire, sessions = new Set() }: ModelStoreOptions): Store {
  const ask: Wire['call'] = (what, done) => wire.call(what, done)
  const write: Ask = (what, done) => ask(what, () => database.durably(done))
  const ears = new Set<Woken>()
  return {
    ...writing(database, ask, write),
    ...reading(database, ask),
    ...relaying(database, ask, write),
    ...transactions(database, ask, sessions),
    due: (streams, without, limit) =>
      ask('due', () =>
        [...database.timers.values()]
          .filter(({ firedAt, due, stream }) => firedAt === undefined && due <= database.instant && streams.includes(stream))
          .map(({ stream, stream_id, tell, due }) => ({ stream, stream_id, tell, due }))
          .filter(({ stream, stream_id, tell, due }) => !without.includes(`${stream}/${stream_id}/${tell}/${due}`))
          .sort((one, other) => byText(one.due, other.due))
          .slice(0, limit),
      ),
    markFired: (timer) =>
      write('mark fired', () => {
        const stored = database.timers.get(timerKey(timer))
        if (stored && stored.firedAt === undefined) database.timers.set(timerKey(timer), { ...stored, firedAt: database.instant })
      }),
    nextDue: (streams) =>
      ask('next due', () => {
        const waiting = [...database.timers.values()].filter(({ firedAt, stream }) => firedAt === undefined && streams.includes(stream))
        const [first] = waiting.map(({ due }) => due).sort(byText)
        return first === undefined ? undefined : Date.parse(first) - database.millis
      }),
    wake: (position) =>
      ask('wake', () => {
        for (const listener of database.listeners) listener(position, false)
      }),
    listen(woken) {
      const ear: Woken = (...told) => wire.notice(() => woken(...told))
      ears.add(ear)
      database.listeners.add(ear)
      return async () => void database.listeners.delete(ear)
    },
    async prepare(rules, views, partitions = 8) {
      if (views.length > 0) throw new Error('the model knows no SQL, and so no views')
      await write('prepare', () => {
        const { head } = database
        if (head.tails.length === 0) head.tails = Array.from({ length: partitions }, () => 0)
        if (head.tails.length > partitions)
          throw new Error(`the ledger has ${head.tails.length} partitions, not ${partitions}: the count can only grow`)
        if (head.tails.length < partitions) database.grow(partitions)
      })
      await raiseFolds(database, ask, write, rules)
    },
    rebuildPage: (rules, _views, options) => ask('rebuild', () => rebuilt(database, rules, options)),
    archiving: () => noArchive,
    async close() {
      for (const ear of ears) database.listeners.delete(ear)
    },
  }
}

const noFiles = async (): Promise<never> => {
  throw new Error('the model keeps no files')
}
const noArchive = { archivePage: noFiles, unarchive: noFiles, checkArchive: noFiles }

type Ask = Wire['call']

/** One page is a whole kind of streams. Keys and timers are not compared: the model derives them from nothing but what it is given. */
function rebuilt(database: ModelDatabase, { streams }: LedgerRules, { from, repair }: RebuildOptions): RebuiltPage {
  const names = [...streams.keys()]
  const name = from?.name ?? names[0] ?? ''
  const stream = streams.get(name)
  if (!stream) throw new RangeError(`there is no stream "${name}"`)
  const of = [...database.streams.values()].filter((one) => one.stream === name)
  const again = of.map(({ id }) => {
    const events = database.events.filter(({ envelope }) => envelope.stream === name && envelope.streamId === id)
    return jsonb(events.reduce((state, { envelope }) => fold(stream, state, envelope), stream.initial))
  })
  const wrong = of.flatMap((stored, index) => (stored.state === again[index] ? [] : [{ ...stored, state: again[index] ?? stored.state }]))
  if (repair) for (const one of wrong) database.streams.set(keyOf(name, one.id), one)
  if (repair && wrong.length > 0) database.head.repaired++
  const next = names[names.indexOf(name) + 1]
  return {
    part: 'stream',
    name,
    looked: of.length,
    differing: wrong.map(({ id }) => ({ id, what: 'state' })),
    repaired: repair ? wrong.length : 0,
    ...(next === undefined ? {} : { next: { part: 'stream' as const, name: next, after: '' } }),
  }
}

function writing(database: ModelDatabase, ask: Ask, write: Ask): Writing {
  return {
    load: ({ streams, messages, chains }) =>
      ask('load', () => ({
        now: database.instant,
        partitions: database.head.tails.length,
        seen: seenIn(database),
        streams: streams.flatMap((key) => {
          const found = database.streams.get(key)
          return found ? [headOf(found)] : []
        }),
        messages: messages.flatMap((id): StoredMessage[] => {
          const found = database.messages.get(id)
          return found ? [{ id, hash: found.hash, outcome: JSON.parse(found.outcome) }] : []
        }),
        checkpoints: chains.flatMap(({ source, partition }) => database.checkpoints.get(chainKey(source, partition)) ?? []),
      })),
    append(rows, project) {
      if (project) return Promise.reject(new Error('the model knows no SQL, and so no views'))
      return ask('append', () => database.free(() => database.append(rows)))
    },
    findEvent: ({ id, stream, streamId, version }) =>
      ask('find event', () => {
        const found = database.events.find(
          ({ envelope: one }) => one.id === id && one.stream === stream && one.streamId === streamId && one.version === version,
        )
        return found && { position: found.envelope.position, recordedAt: found.envelope.recordedAt }
      }),
    findMessages: (ids) =>
      ask('find message', () => {
        const found = ids.flatMap((id) => {
          const one = database.messages.get(id)
          if (!one) return []
          const { hash, at, duplicates, conflicts } = one
          return [[id, { hash, outcome: JSON.parse(one.outcome), at, duplicates, conflicts }] as const]
        })
        return new Map(found)
      }),
    forgetOld: (limit) =>
      write('forget', () => {
        const over = [...database.messages].filter(([, { keepUntil }]) => keepUntil < database.instant).slice(0, limit)
        for (const [id] of over) database.messages.delete(id)
        return over.length
      }),
  }
}

function reading(database: ModelDatabase, ask: Ask): Reading {
  const events = () => database.events.map(({ envelope }) => envelope)
  const heads = (keys: Iterable<string>): readonly HeadRow[] =>
    [...new Set(keys)].sort().flatMap((key) => {
      const found = database.streams.get(key)
      return found ? [headOf(found)] : []
    })
  const holders = (stream: string, name: string, value: string) => [...(database.keys.get(heldKey({ stream, name, value }))?.keys() ?? [])]
  return {
    find: ({ keys, held }) =>
      ask('find', () => {
        const found = held.map(({ stream, name, value }) => holders(stream, name, value).map((id) => keyOf(stream, id)))
        return { rows: heads([...keys, ...found.flat()]), holders: found, seen: seenIn(database) }
      }),
    page: (stream, { phase, keys, direction, after, limit }) =>
      ask('page', () => {
        const sign = direction === 'asc' ? 1 : -1
        const compare = (one: { at: string; id: string }, other: { at: string; id: string }) =>
          sign * (byText(one.at, other.at) || byText(one.id, other.id))
        const held = Object.entries(keys).map(([name, value]) => new Set(holders(stream, name, value)))
        return [...database.streams.values()]
          .filter((row) => row.stream === stream && (!phase || row.phase === phase) && held.every((ids) => ids.has(row.id)))
          .filter((row) => !after || compare({ at: row.first_at, id: row.id }, after) > 0)
          .sort((one, other) => compare({ at: one.first_at, id: one.id }, { at: other.first_at, id: other.id }))
          .slice(0, limit)
          .map(headOf)
      }),
    streamEvents: (stream, id, after, upTo) =>
      ask('stream events', () =>
        events().filter((one) => one.stream === stream && one.streamId === id && one.version > after && one.version <= upTo),
      ),
    eventsAfter: (after, limit, types) =>
      ask('events', () =>
        events()
          .slice(after)
          .filter(({ type }) => types?.includes(type) ?? true)
          .slice(0, limit),
      ),
    chainedEvents: (after, limit) =>
      ask('chained events', () => database.events.slice(after, after + limit).map((event) => database.chained(event))),
    loopHistory: (loopId, limit) =>
      ask('history', () => {
        const streams = new Set(
          [...database.loops.values()].filter((row) => row.loop_id === loopId).map((row) => keyOf(row.stream, row.stream_id)),
        )
        return events()
          .filter((one) => streams.has(keyOf(one.stream, one.streamId)))
          .slice(0, limit)
      }),
    tracesBefore: (streams, own) =>
      ask('traces', () => [
        ...new Set(streams.flatMap(({ stream, streamId, upTo }) => newestTrace(events(), keyOf(stream, streamId), upTo, own) ?? [])),
      ]),
    checkpoints: () => ask('checkpoints', () => [...database.checkpoints.values()]),
    checkpoint: (source, partition) =>
      ask('checkpoint', () => {
        const found = database.checkpoints.get(chainKey(source, partition))
        return found && { position: found.position, nextOffset: found.nextOffset }
      }),
    sql: () => Promise.reject(new Error('the model knows no SQL')),
  }
}

const newestTrace = (events: readonly Envelope[], key: string, upTo = Number.POSITIVE_INFINITY, own: string): string | undefined =>
  events.findLast(
    ({ stream, streamId, version, traceparent }) =>
      keyOf(stream, streamId) === key && version <= upTo && traceparent !== undefined && traceparent !== own,
  )?.traceparent

function relaying(database: ModelDatabase, ask: Ask, write: Ask): Relaying {
  const { head, relays } = database
  const history = () => ({ epoch: head.epoch, incarnation: database.incarnation })
  return {
    standing: () => ask('standing', () => ({ ...history(), position: head.position, raised: [...head.raised], tails: [...head.tails] })),
    chainedAfter: (position, limit, known) =>
      ask('chained', () => {
        const batch = database.events.slice(position, position + limit).map((event) => database.chained(event))
        if (batch.length === 0) return { ...known, batch, marked: position }
        const marked = Math.max(0, ...[...relays.values()].map((relay) => relay.position))
        const isKnown = head.epoch === known.epoch && database.incarnation === known.incarnation
        return { batch: isKnown ? batch : [], ...history(), marked }
      }),
    holdLease: (topic, holder, seconds) =>
      ask('hold lease', () => {
        const lease = relays.get(topic) ?? { position: 0, holder: undefined, heldUntil: 0 }
        relays.set(topic, lease)
        const stands = { head: head.position, ...history() }
        if (lease.holder !== undefined && lease.holder !== holder && lease.heldUntil >= database.millis)
          return { sent: undefined, ...stands }
        const before = { ...lease }
        return database.softly(
          () => Object.assign(lease, before),
          () => {
            lease.holder = holder
            lease.heldUntil = database.millis + seconds * 1_000
            return { sent: lease.position, ...stands }
          },
        )
      }),
    markSent: (topic, holder, { from, to }, seconds) =>
      ask('mark sent', () => {
        const lease = relays.get(topic)
        const found = database.events[to.position - 1]?.envelope
        if (!lease || lease.position < from || found?.id !== to.id) return { marked: false, kept: false }
        const before = { ...lease }
        return database.softly(
          () => Object.assign(lease, before),
          () => {
            lease.position = Math.max(lease.position, to.position)
            for (const listener of database.listeners) listener(to.position, true)
            if (lease.holder === holder) lease.heldUntil = database.millis + seconds * 1_000
            return { marked: true, kept: lease.holder === holder }
          },
        )
      }),
    leaveLease: (topic, holder) =>
      write('leave lease', () => {
        const lease = relays.get(topic)
        if (lease?.holder === holder) lease.holder = undefined
      }),
    raiseEpoch: (above, shared) =>
      write('raise epoch', () => {
        head.epoch = Math.max(head.epoch, above) + 1
        const both = database.events.findLast(({ envelope }) => shared === undefined || envelope.recordedAt <= shared)
        head.raised.push({ epoch: head.epoch, after: both?.envelope.position ?? 0 })
        return head.epoch
      }),
  }
}
