import { setTimeout as pause } from 'node:timers/promises'
import { eventually } from '@rondo/testkit/eventually'
import type { Disk } from '@rondo/testkit/launch'
import { asked } from './backends.ts'
import { count, type Stage } from './stage.ts'

/** Milliseconds that a disk stays full, at least. */
const fullFor = 4000
/** Milliseconds that a server may take to notice what it cannot write. */
const noticedWithin = 6000
/** Of the faults under Kafka, those that take all brokers at once. */
const allAtOnce = 0.2

/** Of those who were told something from then on: how many heard "later". */
const toldLater = ({ history: { told } }: Stage, from: number): number =>
  told.filter(({ ended, outcome }) => ended >= from && outcome.kind === 'unknown' && outcome.typed).length

/** Until the server answers again; it may have to wait for what is left of the old one. */
export async function answering({ engines: { postgres }, database }: Stage): Promise<void> {
  await eventually(
    async () => {
      if (!postgres.runs) await postgres.start()
      return (await asked(database, 'select')).length === 1
    },
    { within: 60_000, every: 100 },
  )
}

async function full(disks: readonly Disk[], until: () => Promise<unknown>): Promise<void> {
  try {
    for (const disk of disks) await disk.fill()
    await until()
  } finally {
    for (const disk of disks) await disk.free()
  }
}

/** Work stops, and callers are told "later"; a server that gave up is started again, as a supervisor would, once there is space. */
export const serverDisk = (stage: Stage): Promise<void> =>
  stage.turns.server.take(async () => {
    const { disks } = stage.engines
    if ('missing' in disks) return
    const begin = performance.now()
    await full([disks.postgres], async () => {
      await eventually(() => toldLater(stage, begin) > 0, { within: noticedWithin }).catch(() => undefined) // it found space of its own
      await pause(fullFor)
    })
    count(stage, `PostgreSQL’s disk full${stage.engines.postgres.runs ? '' : ' (it gave up)'}`)
    count(stage, 'told “later” while PostgreSQL’s disk was full', toldLater(stage, begin))
    await answering(stage)
  })

/** A broker that cannot write its log gives up, and is started again once there is space. */
export const brokerDisk = (stage: Stage): Promise<void> =>
  stage.turns.brokers.take(async () => {
    const { disks, brokers } = stage.engines
    if ('missing' in disks) return
    const all = stage.random.chance(allAtOnce)
    const which = all ? [0, 1, 2] : [stage.random.below(brokers.length)]
    const hit = which.flatMap((node) => brokers[node] ?? [])
    await full(
      which.flatMap((node) => disks.brokers[node] ?? []),
      async () => {
        await eventually(() => hit.every(({ runs }) => !runs), { within: noticedWithin, every: 100 }).catch(() => undefined) // nothing to write
        await pause(fullFor)
      },
    )
    const gaveUp = hit.filter(({ runs }) => !runs)
    count(stage, `${all ? 'every broker’s' : 'a broker’s'} disk full`)
    count(stage, 'brokers that gave up on a full disk', gaveUp.length)
    await Promise.all(gaveUp.map((one) => one.start()))
  })
