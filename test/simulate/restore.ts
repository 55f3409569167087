import type { StoredRecord } from '@rondo/bus'
import type { Envelope } from '@rondo/kernel'
import { epochOf } from '@rondo/ledger'
import { backUp } from '@rondo/ledger/backup'
import { type Fault, stoppedMs } from './plan.ts'
import { topic } from './services.ts'
import type { World } from './world.ts'

type Recorded = Envelope & { readonly epoch: number }

/** A ledger that went back to an older copy. */
export interface Restored {
  readonly kept: readonly Envelope[]
  /** What it does not hold, and others can have seen. */
  readonly lost: readonly Recorded[]
  /** Or need not be: nobody has seen anything of what was lost. */
  noticed: boolean
}

/** A copy is made, everything goes on, is stopped, and begins again with the copy. */
export function planRestore(world: World, { of, at, ms }: Extract<Fault, { fault: 'restore' }>): void {
  const names = of === 'both' ? (['orders', 'tally'] as const) : [of]
  world.at(at, () => {
    const restores = names.map((name) => backUp(world.databases[name]))
    const copy = recorded(world)
    const copied = copy.map(placeOf)
    world.tell(`a copy of ${names.join(' and ')} is made`)
    world.at(at + ms, () => {
      const before = recorded(world)
      const there = new Set(before.map(placeOf))
      // From an older copy forward to a copy of what it gave up: two histories under one epoch, see docs/guarantees.md
      if (of !== 'tally' && !copied.every((place) => there.has(place))) return
      // What is shared is told by when it was recorded: not where the database's clock was set back meanwhile, see docs/guarantees.md
      if (copy.some(({ recordedAt }) => recordedAt > newestSentAt(world))) return
      for (const restore of restores) restore()
      world.tell(`the older copy of ${names.join(' and ')} is restored`)
      if (of !== 'tally') world.hasRestored(lostOf(world, before))
    })
    world.at(at + ms - stoppedMs, () => world.stopAll(stoppedMs))
  })
}

/** When the newest that was sent was recorded. */
function newestSentAt({ broker }: World): string {
  const all = broker.topic(topic).partitions.flatMap(({ records }) => records.map(({ headers }) => headers))
  const places = all.map((headers) => Number(headers.ce_epoch) * 1e9 + Number(headers.ce_position))
  return all[places.indexOf(Math.max(...places))]?.ce_recordedtime ?? '9'
}

const recorded = ({ databases: { orders } }: World): readonly Recorded[] =>
  orders.events.map(({ envelope }) => ({ ...envelope, epoch: epochOf(orders.head.raised, envelope.position) }))

const placeOf = ({ id, position, epoch }: Pick<Recorded, 'id' | 'position' | 'epoch'>) => `${id}/${position}/${epoch}`
const sentPlace = ({ headers }: StoredRecord) =>
  placeOf({ id: headers.ce_id ?? '', position: Number(headers.ce_position), epoch: Number(headers.ce_epoch) })

function lostOf(world: World, before: readonly Recorded[]): Restored {
  const sent = new Set(world.broker.topic(topic).partitions.flatMap(({ records }) => records.map(sentPlace)))
  const kept = recorded(world)
  const there = new Set(kept.map(placeOf))
  const lost = before.filter((one) => !there.has(placeOf(one)) && sent.has(placeOf(one)))
  return { kept, lost, noticed: lost.length === 0 }
}
