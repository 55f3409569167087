import {
  type AnyStream,
  decide,
  type Envelope,
  evolve,
  type Fact,
  type Instant,
  type Message,
  parseInstant,
  refuse,
  type StateOf,
} from '@rondo/kernel'
import type { Found, ListOptions, Read } from '@rondo/reaction'
import { reactions } from '../src/reactions.ts'

interface Stored {
  readonly stream: AnyStream
  readonly id: string
  state: unknown
  version: number
  first: Instant
}

export const at = (text: string): Instant => parseInstant(text) ?? refuse('invalid', `${text} is no time`)

const base = (type: string) => type.replace(/\.v\d+$/, '')

/** A fact of another service, as its topic would carry it. */
export function outside(fact: Fact, streamId: string, when: string, version = 1, actor = 'service:test'): Envelope {
  return {
    id: `${streamId}/${version}/${fact.type}`,
    stream: 'outside',
    streamId,
    version,
    position: version,
    partition: 0,
    type: base(fact.type),
    schemaVersion: 1,
    data: fact.data,
    occurredAt: at(when),
    recordedAt: at(when),
    actor,
    correlationId: 'c',
    causationId: 'c',
    loopIds: [],
  }
}

/**
 * The rules and reactions of the service without engines: streams in memory, own facts delivered in any order that
 * keeps each stream's own (as partitions do).
 */
export class World {
  readonly #streams = new Map<string, Stored>()
  readonly #queues = new Map<string, Envelope[]>()
  #messages = 0

  readonly read: Read = {
    load: async <S extends AnyStream>(stream: S, id: string) =>
      (this.#streams.get(`${stream.name}/${id}`)?.state ?? stream.initial) as StateOf<S>,
    loadAll: async <S extends AnyStream>(stream: S, ids: readonly string[]) => this.#all(stream).filter(({ id }) => ids.includes(id)),
    find: async <S extends AnyStream>(stream: S, key: keyof S['keys'] & string, values: readonly string[]) =>
      this.#all(stream).filter(({ state }) => (stream.keys[key]?.(state) ?? []).some((value: string) => values.includes(value))),
    list: async <S extends AnyStream>(stream: S, { keys = {}, phase }: ListOptions) => ({
      items: this.#all(stream).filter(
        ({ state }) =>
          Object.entries(keys).every(([key, value]) => stream.keys[key]?.(state).includes(value)) &&
          (!phase || stream.phase?.(state) === phase),
      ),
      nextPageToken: '',
    }),
    view: () => refuse('internal', 'there are no views here'),
  }

  #all<S extends AnyStream>(stream: S): Found<StateOf<S>>[] {
    const all = [...this.#streams.values()].filter((one) => one.stream.name === stream.name)
    return all.sort((a, b) => (a.id < b.id ? -1 : 1)).map(({ id, version, state }) => ({ id, version, state: state as StateOf<S> }))
  }

  /** Applies a message; what a refusal leaves is stored too. Returns the refusal, if any. */
  apply(message: Message, when: Instant, actor = 'service:releases') {
    const key = `${message.stream.name}/${message.id}`
    const stored = this.#streams.get(key) ?? {
      stream: message.stream,
      id: message.id,
      state: message.stream.initial,
      version: 0,
      first: when,
    }
    this.#messages += 1
    const { facts, refused } = decide(message, stored.state, {
      at: when,
      actor,
      messageId: `message-${this.#messages}`,
      streamId: message.id,
    })
    for (const fact of facts) {
      stored.version += 1
      const id = `${key}/${stored.version}`
      message.stream.facts[fact.verb]?.schema.parse(fact.data)
      // As jsonb would give it back.
      const data = JSON.parse(JSON.stringify(fact.data))
      stored.state = JSON.parse(JSON.stringify(evolve(message.stream, stored.state, fact.verb, data, { id, at: when, actor })))
      this.#streams.set(key, stored)
      const event = { ...outside(fact, message.id, when, stored.version, actor), id, stream: message.stream.name, data }
      this.#queues.set(key, [...(this.#queues.get(key) ?? []), event])
    }
    return refused
  }

  async deliver(event: Envelope) {
    for (const { fact, read, react } of reactions) {
      if (fact.base !== event.type) continue
      const found = await read?.(event, this.read)
      for (const message of react(event, found)) this.apply(message, event.occurredAt, event.actor)
    }
  }

  /** Until nothing is left to react to; `pick` says which stream's next fact comes first. */
  async settle(pick: (choices: number) => number = () => 0) {
    for (;;) {
      const waiting = [...this.#queues.entries()].filter(([, queue]) => queue.length > 0)
      const [key, queue] = waiting[pick(waiting.length)] ?? waiting[0] ?? []
      const [event, ...rest] = queue ?? []
      if (!key || !event) return
      this.#queues.set(key, rest)
      await this.deliver(event)
    }
  }

  async happened(...events: readonly Envelope[]) {
    for (const event of events) {
      await this.deliver(event)
      await this.settle()
    }
  }

  /** Everything that is known, with arrays as sets. */
  picture(leaveOut: readonly string[] = []): string {
    const sorted = (value: unknown): unknown => {
      if (Array.isArray(value))
        return value
          .map(sorted)
          .map((one) => JSON.stringify(one))
          .sort()
      if (value === null || typeof value !== 'object') return value
      return Object.fromEntries(
        Object.entries(value)
          .filter(([name]) => !leaveOut.includes(name))
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([name, one]) => [name, sorted(one)]),
      )
    }
    const streams = [...this.#streams.entries()].sort(([a], [b]) => (a < b ? -1 : 1))
    return JSON.stringify(
      streams.map(([key, { state }]) => [key, sorted(state)]),
      null,
      1,
    )
  }
}
