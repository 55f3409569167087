import type { ConsumerHistory, History, Violation } from './history.ts'

/** An event that a consumer meets. */
interface Met {
  readonly id: string
  readonly key: string
  /** Its place among those of its key. */
  readonly order: number
  /** 2: intake; 3: of another ledger. */
  readonly promise: 2 | 3
  /** Nobody was told that it is on the bus: it may be applied, once at most. */
  readonly optional: boolean
  readonly wanted: boolean
  /** It was sent by a ledger that then went back to an older copy; where it is recorded again, it is another event of the same name. How often. */
  readonly lost: number
  /** How often it may be applied. */
  readonly most: number
}

export function consumerViolations(history: History, name: string): readonly Violation[] {
  const consumer = history.consumers[name]
  if (!consumer) return []
  const met = new Map(consumer.reads.flatMap((one) => meetings(history, one)).map((one) => [one.id, one]))
  const parking = parkingOf(consumer)
  return [
    ...countViolations(name, consumer, met, parking),
    ...orderViolations(name, consumer, met),
    ...poisonViolations(name, consumer, met),
    ...behindViolations(name, consumer, met),
  ]
}

function meetings(history: History, { topic, types }: ConsumerHistory['reads'][number]): readonly Met[] {
  const { service, partitions } = history.topics[topic] ?? { partitions: [] }
  const records = new Map(
    partitions.flatMap((one) => one.map((record, offset) => [record.eventId, { ...record, offset }] as const)).reverse(),
  )
  if (service !== undefined) {
    const lost = (history.restores ?? []).flatMap((one) => (one.service === service ? (one.lost ?? []) : []))
    const [kept, gone] = [history.ledgers[service] ?? [], Map.groupBy(lost, ({ id }) => id)]
    const ids = new Set(kept.map(({ id }) => id))
    return [...kept, ...lost.filter(({ id }) => !ids.has(id))].map(({ id, stream, streamId, position, type }) => {
      const key = records.get(id)?.key ?? `${stream}/${streamId}`
      const wanted = types?.includes(type) ?? true
      const times = gone.get(id)?.length ?? 0
      return { id, key, order: position, promise: 3, optional: !ids.has(id), wanted, lost: times, most: times + Number(ids.has(id)) }
    })
  }
  const told = new Map((history.intake ?? []).filter((one) => one.topic === topic).map((one) => [one.messageId, one]))
  const ids = new Set([...told.keys(), ...records.keys()])
  return [...ids].map((id) => {
    const acknowledged = told.get(id)
    const wanted = !acknowledged || (types?.includes(acknowledged.type) ?? true)
    const key = records.get(id)?.key ?? acknowledged?.key ?? ''
    return { id, key, order: records.get(id)?.offset ?? 0, promise: 2, optional: !acknowledged, wanted, lost: 0, most: 1 }
  })
}

const parkingOf = ({ parked = [], skipped = [] }: ConsumerHistory): ReadonlySet<string> =>
  new Set([...parked.map(({ eventId }) => eventId), ...skipped])

function countViolations(
  name: string,
  consumer: ConsumerHistory,
  met: ReadonlyMap<string, Met>,
  parking: ReadonlySet<string>,
): readonly Violation[] {
  const found: Violation[] = []
  const counts = new Map<string, number>()
  for (const id of consumer.effects) counts.set(id, (counts.get(id) ?? 0) + 1)
  for (const [id, count] of counts) {
    const { promise, lost, most } = met.get(id) ?? { promise: 3, lost: 0, most: 1 }
    if (!met.has(id)) found.push({ promise, what: `${name} was changed by ${id}, which is on none of its topics` })
    if (count > most) found.push({ promise, what: `${name} was changed ${count} times by ${id}` })
    if (parking.has(id) && lost === 0) found.push({ promise: 5, what: `${name} was changed by ${id}, which is parked or was skipped` })
  }
  for (const { id, key, promise, optional, wanted } of met.values()) {
    if (wanted && !optional && !counts.has(id) && !parking.has(id))
      found.push({ promise, what: `${name} was never changed by ${id} (key ${key})` })
  }
  return found
}

/** Of one key, what came later changes the state later. */
function orderViolations(name: string, { effects }: ConsumerHistory, met: ReadonlyMap<string, Met>): readonly Violation[] {
  const found: Violation[] = []
  const last = new Map<string, Met>()
  const seen = new Set<string>()
  for (const id of effects) {
    const one = met.get(id)
    if (!one || seen.has(id) || one.lost > 0) continue
    seen.add(id)
    const before = last.get(one.key)
    if (before && before.order > one.order)
      found.push({
        promise: one.promise,
        what: `${name} was changed by ${before.id} before ${id}, which comes first under the key ${one.key}`,
      })
    last.set(one.key, one)
  }
  return found
}

/** What follows a parked event under its key waits, too. */
function behindViolations(
  name: string,
  { parked = [], skipped = [], effects }: ConsumerHistory,
  met: ReadonlyMap<string, Met>,
): readonly Violation[] {
  const oldest = new Map<string, Met>()
  for (const { eventId } of parked) {
    // What was left out, and delivered again since, waits anew
    const one = skipped.includes(eventId) ? undefined : met.get(eventId)
    if (one && one.lost === 0 && one.order < (oldest.get(one.key)?.order ?? Number.POSITIVE_INFINITY)) oldest.set(one.key, one)
  }
  return [...new Set(effects)].flatMap((id) => {
    const one = met.get(id)
    const before = one && oldest.get(one.key)
    if (!before || one.lost > 0 || one.order <= before.order) return []
    return [
      {
        promise: 5 as const,
        what: `${name} was changed by ${id}, while ${before.id} is parked, which comes first under the key ${one.key}`,
      },
    ]
  })
}

/** Poison is parked, with all that follows it under its key, and nothing else is. */
function poisonViolations(name: string, consumer: ConsumerHistory, met: ReadonlyMap<string, Met>): readonly Violation[] {
  const { poison, parked = [], skipped = [] } = consumer
  if (!poison) return []
  const visible = new Set([...parked.map(({ eventId }) => eventId), ...skipped])
  const first = new Map<string, number>()
  for (const id of poison) {
    const one = met.get(id)
    // The position of what was given up with a restore says nothing of what was recorded since, which waits behind it, too
    if (one) first.set(one.key, Math.min(first.get(one.key) ?? Number.POSITIVE_INFINITY, one.lost > 0 ? 0 : one.order))
  }
  return [
    ...poison
      .filter((id) => met.get(id)?.optional === false && !visible.has(id))
      .map((id) => ({ promise: 5 as const, what: `${id} cannot be applied by ${name}, and is not parked` })),
    ...parked.flatMap(({ eventId, key }) => {
      const order = met.get(eventId)?.order ?? Number.POSITIVE_INFINITY
      const from = first.get(key) ?? first.get(met.get(eventId)?.key ?? '')
      if (from !== undefined && order >= from) return []
      return [{ promise: 5 as const, what: `${name} has parked ${eventId} (key ${key}), with nothing before it that cannot be applied` }]
    }),
  ]
}
