import { decide, type Envelope, evolve, type Fact, type FactType, type Instant, type Tell } from '@rondo/kernel'
import type { Found, Read } from '@rondo/reaction'
import type { Bucket, EventRow } from '../src/evidence.ts'
import { hashOf, placeKey } from '../src/names.ts'
import { reactions } from '../src/reactions.ts'
import { operations } from '../src/service.ts'
import { trafficView } from '../src/views/traffic.ts'

// biome-ignore lint/suspicious/noExplicitAny: states of all kinds lie side by side here
type Any = any

const keysOf = (stream: Any, name: string, state: Any): readonly string[] => stream.keys[name](state)

interface Row extends Bucket {
  readonly place: string
  readonly key: string
  readonly report: string
  readonly event_ids: readonly string[]
}
interface Pending {
  readonly event: Envelope
  readonly fact: string
}

/** What can happen to a service, in memory and in any order: the streams and reactions are the real ones, only what stores them is not. */
export class World {
  readonly #heads = new Map<string, { stream: string; id: string; state: Any; version: number }>()
  readonly #rows = new Map<string, Row>()
  readonly #pending: Pending[] = []
  readonly told: Envelope[] = []
  readonly #pick: (length: number) => number
  #count = 0

  /** `pick`: which of the waiting facts is taken next; the first unless told. */
  constructor(pick: (length: number) => number = () => 0) {
    this.#pick = pick
  }

  /** A fact of another service, or from intake. */
  deliver<Data>(
    fact: FactType<string, Data>,
    data: Data,
    at: Instant,
    { streamId = 'elsewhere', id, version = 1 }: { streamId?: string; id?: string; version?: number } = {},
  ): this {
    this.#pending.push({
      fact: fact.base,
      event: this.#envelope(fact.base, 'elsewhere', streamId, version, fact.schema.parse(data), at, 'service:test', id),
    })
    return this
  }

  /** Until nothing waits. */
  async settle(): Promise<this> {
    while (this.#pending.length > 0) {
      const [next] = this.#pending.splice(this.#pick(this.#pending.length), 1)
      if (!next) break
      for (const reaction of reactions.filter(({ fact }) => fact.base === next.fact)) {
        const found = await reaction.read?.(next.event, this.read)
        for (const one of reaction.react(next.event, found)) this.#tell(one, next.event)
      }
    }
    return this
  }

  async ask(message: { stream: Any; id: string; rule: string; input: unknown }, at: Instant, actor = 'person:grace'): Promise<this> {
    const context = { at, actor, messageId: `ask-${++this.#count}`, streamId: message.id }
    const { facts, refused } = decide({ kind: 'ask', ...message }, this.state(message.stream, message.id), context)
    if (refused) throw refused
    this.#append(message.stream, message.id, facts, at, actor)
    return this.settle()
  }

  /** Fires what is due by then, in order. */
  async pass(until: Instant): Promise<this> {
    for (;;) {
      const due = [...this.#heads.values()]
        .flatMap(({ stream, id, state }) => (this.#stream(stream).timers?.(state) ?? []).map((timer: Any) => ({ ...timer, stream, id })))
        .filter(({ at }) => at <= until)
        .sort((a, b) => (a.at < b.at ? -1 : 1))[0]
      if (!due) return this
      const before = this.told.length
      this.#tell(
        { kind: 'tell', stream: this.#stream(due.stream), id: due.id, rule: due.tell, input: undefined },
        this.#envelope('timer', 'timer', due.id, 1, {}, due.at, 'service:rondo'),
      )
      await this.settle()
      if (this.told.length === before) throw new Error(`the timer ${due.tell} of ${due.id} made nothing: it would fire for ever`)
    }
  }

  state(stream: Any, id: string): Any {
    return this.#heads.get(`${stream.name}/${id}`)?.state ?? stream.initial
  }
  all(stream: Any): readonly Found<Any>[] {
    return [...this.#heads.values()].filter((head) => head.stream === stream.name).sort((a, b) => (a.id < b.id ? -1 : 1))
  }
  phase = (stream: Any, id: string): string => stream.phase(this.state(stream, id))
  said = (type: string): readonly Any[] => this.told.filter((event) => event.type === type).map(({ data }) => data)

  readonly read: Read = {
    load: async (stream, id) => this.state(stream, id),
    loadAll: async (stream, ids) => this.all(stream).filter(({ id }) => ids.includes(id)) as Any,
    find: async (stream, key, values) =>
      this.all(stream).filter(({ state }) => keysOf(stream, key, state).some((value) => values.includes(value))) as Any,
    list: async (stream, { phase, keys = {} }) => {
      const items = this.all(stream).filter(
        ({ state }) =>
          (!phase || stream.phase?.(state) === phase) &&
          Object.entries(keys).every(([name, value]) => keysOf(stream, name, state).includes(value)),
      )
      return { items: items as Any, nextPageToken: '' }
    },
    view: (view) => {
      if ((view as Any) !== trafficView) throw new Error(`no view ${view.name} here`)
      return {
        buckets: async (...of: Any) => this.#buckets(...(of as [string, Any, string])),
        events: async (...of: Any) => this.#events(...(of as [string, Any, string])),
      } as Any
    },
  }

  #in(place: string, { after, until }: { after: string; until: string }, from = ''): readonly Row[] {
    return [...this.#rows.values()].filter((row) => row.place === place && row.to > after && row.to <= until && row.from >= from)
  }
  #buckets(place: string, window: { after: string; until: string }, from?: string): readonly Bucket[] {
    const groups = Map.groupBy(this.#in(place, window, from), ({ artifact, from, to }) =>
      artifact ? `${artifact} ${to.slice(0, 13)}` : from + to,
    )
    return [...groups.values()].map((rows) => ({
      artifact: rows[0]?.artifact ?? '',
      from: rows.map(({ from }) => from).sort()[0] ?? '',
      to:
        rows
          .map(({ to }) => to)
          .sort()
          .at(-1) ?? '',
      events: rows.reduce((sum, { events }) => sum + events, 0),
      requests: rows.reduce((sum, { requests }) => sum + requests, 0),
    }))
  }
  #events(place: string, window: { after: string; until: string }, from?: string): readonly EventRow[] {
    return this.#in(place, window, from)
      .filter(({ events }) => events > 0)
      .toSorted((a, b) => (a.to < b.to ? -1 : 1))
  }

  #stream(name: string): Any {
    return operations.streams.find((stream) => stream.name === name)
  }

  #tell({ stream, id, rule, input }: Tell, cause: Envelope) {
    const context = { at: cause.occurredAt, actor: cause.actor, messageId: cause.id, streamId: id }
    const { facts } = decide({ kind: 'tell', stream, id, rule, input }, this.state(stream, id), context)
    this.#append(stream, id, facts, cause.occurredAt, cause.actor)
  }

  #append(stream: Any, id: string, facts: readonly Fact[], at: Instant, actor: string) {
    for (const fact of facts) {
      const type: FactType = stream.facts[fact.verb]
      const head = this.#heads.get(`${stream.name}/${id}`) ?? { stream: stream.name, id, state: stream.initial, version: 0 }
      const data = JSON.parse(JSON.stringify(type.schema.parse(fact.data)))
      const event = this.#envelope(type.base, stream.name, id, head.version + 1, data, at, actor)
      const state = JSON.parse(JSON.stringify(evolve(stream, head.state, fact.verb, data, { id: event.id, at, actor })))
      this.#check(stream, state)
      this.#heads.set(`${stream.name}/${id}`, { ...head, state, version: head.version + 1 })
      this.told.push(event)
      this.#project(event)
      this.#pending.push({ fact: type.base, event })
    }
  }

  #check(stream: Any, state: Any) {
    for (const [name, of] of Object.entries<Any>(stream.keys))
      for (const value of of(state)) if (typeof value !== 'string' || value.length > 1000) throw new Error(`the key ${name} is ${value}`)
  }

  #project({ type, id, data }: Envelope) {
    if (type !== 'rondo.operations.traffic.reported') return
    const { source, artifact = '', from, to, events, requests, event_ids } = data as Any
    const key = hashOf(placeKey(data as Any), to, from, artifact, source, String(events), String(requests))
    if (!this.#rows.has(key))
      this.#rows.set(key, { key, place: placeKey(data as Any), artifact, from, to, events, requests, event_ids, report: id })
  }

  #envelope(
    type: string,
    stream: string,
    streamId: string,
    version: number,
    data: unknown,
    at: Instant,
    actor: string,
    id?: string,
  ): Envelope {
    const made = id ?? `event-${++this.#count}`
    return {
      id: made,
      stream,
      streamId,
      version,
      position: 0,
      partition: 0,
      type,
      schemaVersion: 1,
      data,
      occurredAt: at,
      recordedAt: at,
      actor,
      correlationId: made,
      causationId: made,
      loopIds: [],
    }
  }
}
