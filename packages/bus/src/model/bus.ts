import { type Clock, realClock } from '../clock.ts'
import { unavailable } from '../error.ts'
import { Openness } from '../openness.ts'
import { Outbox, type Store, type TopicFacts } from '../outbox.ts'
import { type Bus, defaultPace } from '../port.ts'
import type { PollPace } from '../postgres/consumer.ts'
import type { ModelBroker } from './broker.ts'
import { ModelMember } from './member.ts'
import { soundWire, type Wire } from './wire.ts'

export interface ModelBusOptions {
  readonly broker: ModelBroker
  readonly wire?: Wire
  readonly clock?: Clock
  readonly pace?: Partial<PollPace>
}

const requestLimits = { bytes: 4 << 20, records: 500 }

/** A process's bus on a broker in memory. */
export function modelBus({ broker, wire = soundWire, clock = realClock, pace: given }: ModelBusOptions): Bus {
  const pace = { ...defaultPace, poll: 1_000, heartbeat: 2_500, ...given }
  const reach = async <Answer>(what: string, done: () => Answer): Promise<Answer> => {
    try {
      return await wire.call(what, done)
    } catch (error) {
      throw unavailable(`${what} failed`, error)
    }
  }
  const ask = async <Answer>(what: string, done: () => Answer): Promise<Answer> => {
    open.check()
    return reach(what, done)
  }
  const known = new Map<string, TopicFacts>()
  const store: Store = {
    async facts(name, fresh) {
      const facts = (!fresh && known.get(name)) || (await reach('facts', () => factsOf(broker, name)))
      known.set(name, facts)
      return facts
    },
    write: (records) => reach('send', () => broker.append(records, (parts) => wire.torn(parts))),
  }
  const outbox = new Outbox(store, requestLimits, clock)
  const open = new Openness()
  return {
    async ensure(topics) {
      await ask('ensure', () => {
        for (const spec of topics) broker.ensure(spec)
      })
    },
    send: (topic, records) => outbox.send(topic, records),
    limit: (topic) => outbox.limit(topic),
    last: (topic, partition, most) =>
      ask('last', () =>
        broker
          .partition(topic, partition)
          .records.slice(-most)
          .map(({ value: _, ...headers }) => headers),
      ),
    bounds: (topic) => ask('bounds', () => broker.bounds(topic)),
    topicId: (topic) => ask('topicId', () => broker.topic(topic).id),
    async consume(options) {
      open.check()
      const member = new ModelMember({ broker, wire, clock, pace }, options)
      open.add(member)
      await member.begun()
      return member
    },
    async close() {
      if (!(await open.close())) return
      await outbox.close()
    },
  }
}

function factsOf(broker: ModelBroker, name: string): TopicFacts {
  const { partitions, maxBytes } = broker.topic(name)
  return { partitions: partitions.length, maxBytes, setting: 'the limit' }
}
