import { intakeTopic, topicOf } from '@rondo/contracts/cloudevents'
import { violations } from '@rondo/testkit/history'
import { type History, promises } from '@rondo/testkit/promises'
import type { Broken } from './callers.ts'
import type { Found } from './gather.ts'
import { appliedByTwins, type GoneBack, keptOf, restoresOf, standing, withoutVoid } from './gone-back.ts'
import { historyOf } from './history.ts'
import type { Told } from './told.ts'

export interface Verdict {
  /** Messages, and events of intake, that a caller was told are taken. */
  readonly acknowledged: number
  readonly lost: readonly string[]
  readonly twice: readonly string[]
  readonly broken: readonly Broken[]
}

const repeatedIn = (ids: readonly string[]): readonly string[] => {
  const seen = new Set<string>()
  return [...new Set(ids.filter((id) => seen.has(id) || !seen.add(id)))]
}

/** Acknowledged, and not where it has to be: counted beside the checker, which says what that breaks. */
function lostOf({ acknowledged, intake = [], ledgers, topics, consumers }: History): readonly string[] {
  const causes = new Map(
    Object.entries(ledgers).map(([service, events]) => [service, new Set(events.map(({ causationId }) => causationId))]),
  )
  const has = (topic: string) => new Set((topics[topic]?.partitions ?? []).flat().map(({ eventId }) => eventId))
  const taken = has(intakeTopic)
  const read = ['gateway', 'operations'].map((name) => [name, new Set(consumers[name]?.effects)] as const)
  return [
    ...acknowledged.flatMap(({ messageId, service }) =>
      causes.get(service)?.has(messageId) ? [] : [`${messageId} was acknowledged, and ${service} has nothing of it`],
    ),
    ...intake.flatMap(({ messageId }) => {
      if (!taken.has(messageId)) return [`${messageId} was acknowledged, and is not on ${intakeTopic}`]
      return read.flatMap(([name, ids]) => (ids.has(messageId) ? [] : [`${messageId} was acknowledged, and ${name} has never read it`]))
    }),
    ...Object.entries(ledgers).flatMap(([service, events]) => {
      const sent = has(topicOf(service))
      return events.flatMap(({ id, position }) => (sent.has(id) ? [] : [`position ${position} of ${service} never reached Kafka`]))
    }),
  ]
}

const twiceOf = ({ ledgers, consumers }: History): readonly string[] => [
  ...Object.entries(ledgers).flatMap(([service, events]) =>
    repeatedIn(events.map(({ id }) => id)).map((id) => `${service} has ${id} twice`),
  ),
  ...Object.entries(consumers).flatMap(([name, { effects }]) => repeatedIn(effects).map((id) => `${name} was changed twice by ${id}`)),
]

/** What the checker of histories does not look at. */
function otherwise(told: readonly Told[], { ledgers }: Found): readonly Broken[] {
  const defects = told.flatMap(({ outcome, messageId, method }) =>
    outcome.kind === 'refused' && outcome.code === 'internal'
      ? [{ promise: 'no caller meets a defect', what: `${method} ${messageId}: ${outcome.message}` }]
      : [],
  )
  const states = [...ledgers].flatMap(([service, { events, versions }]) => {
    const last = new Map(events.map(({ stream, streamId, version }) => [`${stream}/${streamId}`, version]))
    return [...versions]
      .filter(([key, version]) => last.get(key) !== version)
      .map(([key, version]) => ({
        promise: 'a state stands where its events end',
        what: `${service}: ${key} is at ${version}, its events end at ${last.get(key)}`,
      }))
  })
  return [...defects, ...states]
}

/** What stands after an older copy was put back. */
function afterwards(told: readonly Told[], found: Found, gone: GoneBack): History {
  const history = historyOf(standing(told, gone), withoutVoid(found, gone))
  const { requirements, ...others } = history.consumers
  if (!requirements) throw new RangeError('nothing is known of what requirements has read')
  const skipped = appliedByTwins(found, gone, 'operations', 'requirements')
  return { ...history, consumers: { ...others, requirements: { ...requirements, skipped } }, restores: restoresOf(found, gone) }
}

/** Whether the promises held. `seen`: what callers have seen by themselves; `gone`: an older copy was put back before what was found. */
export function verdictOf(told: readonly Told[], found: Found, seen: readonly Broken[], gone?: GoneBack): Verdict {
  const all = historyOf(told, found)
  const history = gone ? afterwards(told, found, gone) : all
  return {
    acknowledged: all.acknowledged.length + (all.intake?.length ?? 0),
    lost: lostOf(history),
    twice: twiceOf(history),
    broken: [
      ...seen,
      ...violations(history).map(({ promise, what }) => ({ promise: `promise ${promise} (${promises[promise]})`, what })),
      ...otherwise(told, found),
      ...(gone ? keptOf(found, gone) : []),
    ],
  }
}
