import type { StoredRecord } from '@rondo/bus'
import { type Envelope, fold } from '@rondo/kernel'
import type { DueTimer, History, TopicHistory, Violation } from '@rondo/testkit/history'
import { violations } from '@rondo/testkit/history'
import { type Application, startApplication } from './application.ts'
import { Callers } from './callers.ts'
import { operate } from './operator.ts'
import type { Plan } from './plan.ts'
import type { Process } from './process.ts'
import { counted, isPoison, orderFact, type Program, programs, signal, topic } from './services.ts'
import { World } from './world.ts'

const intake = 'rondo.intake.v1'
/** Everything that can go wrong has, by then. */
const healsAfterMs = 40_000
/** By then all has to be done: a clock that jumped back by a minute makes leases and timers late. */
const restsAfterMs = 400_000
const lookEveryMs = 1_000

export interface Outcome {
  readonly plan: Plan
  readonly violations: readonly Violation[]
  /** What happened, in words. */
  readonly story: readonly string[]
  readonly steps: number
  readonly events: number
}

/** Runs a plan to its end, lets everything heal and drain, and judges what is left. */
export async function run(plan: Plan): Promise<Outcome> {
  const running = new Map<Process, Promise<Application | undefined>>()
  const ready = new Map<Process, Application>()
  const world = new World(plan, (process) => {
    const starting = startApplication(world, process)
    running.set(process, starting)
    void starting.then((application) => application && ready.set(process, application))
  })
  world.broker.create(intake, plan.partitions)
  world.broker.create(topic, plan.partitions)
  for (let slot = 0; slot < plan.processes; slot++) world.start(slot)
  const callers = new Callers(world, running)
  world.at(lastOf(plan) > healsAfterMs ? lastOf(plan) : Math.min(healsAfterMs, lastOf(plan) + 2_000), () => {
    world.healed = true
    world.tell('everything heals')
  })
  let atRest = false
  const look = async () => {
    goneOn(world, ready)
    atRest = world.healed && callers.waiting === 0 && unfinished(world) === undefined
    if (atRest && plan.clears && world.databases.tally.parkedKeys.size > 0) {
      atRest = false
      await cleared(world, running)
    }
    if (!atRest) world.scheduler.after(lookEveryMs, () => void look())
  }
  void look()
  await world.scheduler.run(() => atRest, restsAfterMs)
  const open = atRest ? undefined : (unfinished(world) ?? 'callers still wait')
  const forgotten = open ? [] : callers.unheeded.filter((id) => !isNoted(world, id))
  const found = [
    ...callers.broken,
    ...forgotten.map((id) => ({ promise: 2 as const, what: `${id} was acknowledged, was read, and is not known by its id` })),
    ...violations(historyOf(world, callers)),
  ]
  return {
    plan,
    violations: open ? [{ promise: 6, what: `when everything had healed, it did not come to rest: ${open}` }, ...found] : found,
    story: world.story,
    steps: world.scheduler.steps,
    events: world.databases.orders.events.length + world.databases.tally.events.length,
  }
}

/** It is known by its id, or waits behind its key, or somebody has left it out there. */
function isNoted({ databases: { tally } }: World, id: string): boolean {
  const waiting = [...tally.parkedRecords.values()].some((ones) => [...ones.values()].some(({ event }) => event.id === id))
  return tally.messages.has(id) || waiting || tally.decisions.some(({ eventId }) => eventId === id)
}

/** Who finds that an older copy was restored says so; an operator has it go on from there. */
function goneOn(world: World, ready: ReadonlyMap<Process, Application>): void {
  for (const [process, { relay }] of ready) {
    if (!process.alive || relay.state.state !== 'restored_backup') continue
    world.tell(`${process.name} has noticed: ${relay.state.reason}`)
    for (const restored of world.restored) restored.noticed = true
    // Where it fails, the next look tries again
    void relay.raiseEpoch().then(
      (epoch) => world.tell(`an operator has begun epoch ${epoch}`),
      (error: unknown) => world.tell(`an operator could not begin an epoch: ${error}`),
    )
    return
  }
}

async function cleared(world: World, running: ReadonlyMap<Process, Promise<Application | undefined>>): Promise<void> {
  const process = world.processes.find((one) => one?.alive)
  const application = process && (await running.get(process))
  if (application) await operate(world, application)
}

const lastOf = ({ decisions }: Plan): number =>
  Math.max(
    0,
    ...decisions.map((one) => ('at' in one ? one.at + ('fault' in one && 'ms' in one ? Math.max(0, Math.min(one.ms, 30_000)) : 0) : 0)),
  )

/** What still has to be done, in words. */
function unfinished({ databases: { orders, tally }, broker, scheduler, restored, version }: World): string | undefined {
  if (restored.some(({ noticed }) => !noticed)) return 'nobody has noticed that an older copy was restored'
  const folds = { ...orders.head.folds, ...tally.head.folds }
  const lower = programs[version].streams.find(({ name, fold }) => (folds[name] ?? 0) < fold)
  if (lower) return `nobody has raised the fold of ${lower.name} to ${lower.fold}`
  const sent = orders.relays.get(topic)?.position ?? 0
  if (sent < orders.head.position) return `positions up to ${sent} of ${orders.head.position} were sent`
  const timer = [...orders.timers.values()].find(({ firedAt, due }) => firedAt === undefined && due <= orders.instant)
  if (timer) return `the timer ${timer.stream_id}/${timer.due} is due`
  if ([...orders.timers.values()].some(({ firedAt }) => firedAt === undefined) && scheduler.now < 200_000) return 'timers wait'
  for (const [partition, tail] of orders.head.tails.entries()) {
    const epochs = epochsOf(orders.events[tail - 1]?.envelope.id, broker.partition(topic, partition).records)
    const at = Math.max(...epochs.map((epoch) => tally.checkpoints.get(JSON.stringify([`${topic}#${epoch}`, partition]))?.position ?? 0))
    if (at < tail) return `${topic}/${partition} was read up to ${at} of ${tail}`
  }
  for (const { partition, next } of broker.bounds(intake)) {
    const at = tally.checkpoints.get(JSON.stringify([`${intake}@${broker.topic(intake).id}`, partition]))?.position ?? 0
    if (at < Number(next)) return `${intake}/${partition} was read up to ${at} of ${next}`
  }
  return undefined
}

/** Under which an event was sent; 1 before it was. Another one may lie at its position under another epoch: what was given up with a restore. */
function epochsOf(eventId: string | undefined, records: readonly StoredRecord[]): readonly string[] {
  const sent = records.flatMap(({ headers }) => (headers.ce_id === eventId && headers.ce_epoch !== undefined ? [headers.ce_epoch] : []))
  return sent.length > 0 ? [...new Set(sent)] : ['1']
}

function historyOf(world: World, callers: Callers): History {
  const { orders, tally } = world.databases
  const ledgers = {
    orders: orders.events.map(({ envelope }) => envelope),
    tally: tally.events.map(({ envelope }) => envelope),
  }
  const records = (name: string, service?: string): TopicHistory => ({
    ...(service === undefined ? {} : { service }),
    partitions: world.broker.topic(name).partitions.map((partition) =>
      partition.records.map(({ key, headers }) => ({
        eventId: headers.ce_id ?? '',
        key,
        ...(service === undefined
          ? {}
          : { position: Number(headers.ce_position), previous: Number(headers.ce_previous), epoch: Number(headers.ce_epoch) }),
      })),
    ),
  })
  const poisoned = world.plan.decisions.filter((one) => 'step' in one && one.step === 'intake' && one.text === 'poison')
  const parked = [...tally.parkedRecords.values()].flatMap((ones) => [...ones.values()])
  return {
    acknowledged: callers.acknowledged,
    refused: callers.refused,
    unknown: callers.unknown,
    intake: callers.intake,
    ledgers,
    topics: { [topic]: records(topic, 'orders'), [intake]: records(intake) },
    consumers: {
      tally: {
        reads: [
          { topic, types: counted },
          { topic: intake, types: [signal.heard.base] },
        ],
        effects: ledgers.tally.map(({ causationId }) => causationId),
        parked: parked.map(({ event, key }) => ({ eventId: event.id, key })),
        skipped: tally.decisions.flatMap(({ decision, eventId }) => (decision === 'skipped' ? [eventId] : [])),
        poison: [
          ...[...ledgers.orders, ...world.restored.flatMap(({ lost }) => lost)].flatMap(({ id, type, data }) =>
            type === orderFact.noted.base && isPoison(data) ? [id] : [],
          ),
          ...poisoned.flatMap((one) => ('id' in one ? [one.id] : [])),
        ],
      },
    },
    holdings: [...Object.entries(world.databases)].flatMap(([service, database]) =>
      [...database.keys.values()].flatMap((holders) => {
        const [one] = holders.values()
        return one?.is_unique ? [{ service, stream: one.stream, name: one.name, value: one.value, streamIds: [...holders.keys()] }] : []
      }),
    ),
    rebuilt: [...Object.entries(world.databases)].flatMap(([service, database]) => rebuiltOf(service, database, programs[world.version])),
    timers: timersOf(ledgers.orders),
    restores: world.restored.map(({ noticed, lost }) => ({
      service: 'orders',
      noticed,
      lost,
      diverged: divergedOf(world.broker.topic(topic).partitions.flatMap(({ records }) => records)),
    })),
  }
}

/** Positions that were sent twice under one epoch, with another event each. */
function divergedOf(records: readonly StoredRecord[]): readonly number[] {
  const places = Map.groupBy(records, ({ headers }) => `${headers.ce_epoch}/${headers.ce_position}`)
  return [...places.values()].flatMap((ones) => {
    const ids = new Set(ones.map(({ headers }) => headers.ce_id))
    return ids.size > 1 ? [Number(ones[0]?.headers.ce_position)] : []
  })
}

function rebuiltOf(service: string, { streams, events }: World['databases']['orders'], program: Program) {
  const kinds = new Map(program.streams.map((one) => [one.name, one]))
  const bySubject = Map.groupBy(events, ({ envelope }) => `${envelope.stream}/${envelope.streamId}`)
  return [...new Set([...streams.keys(), ...bySubject.keys()])].map((what) => {
    const kind = kinds.get(what.slice(0, what.indexOf('/')))
    const again = (bySubject.get(what) ?? []).reduce<unknown>(
      (state, { envelope }) => (kind ? fold(kind, state, envelope) : state),
      kind?.initial,
    )
    return { service, what, live: streams.get(what)?.state ?? 'nothing', rebuilt: JSON.stringify(again) }
  })
}

const fields = (data: unknown): { due?: string; dues?: readonly string[] } => (typeof data === 'object' && data !== null ? data : {})

/** Each that was scheduled; of those that were taken back, and not scheduled again for the same moment, at which version. */
function timersOf(events: readonly Envelope[]): readonly DueTimer[] {
  const timers = new Map<string, DueTimer>()
  for (const { type, streamId, version, data } of events) {
    const { due, dues = [] } = fields(data)
    const id = (at: string) => `order/${streamId}/remind/${at}`
    if (type === orderFact.scheduled.base && due !== undefined) timers.set(id(due), { service: 'orders', id: id(due) })
    if (type === orderFact.cancelled.base)
      for (const one of dues) timers.set(id(one), { service: 'orders', id: id(one), takenBackAt: version })
  }
  return [...timers.values()]
}
