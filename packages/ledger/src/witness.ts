import type { Bus, StoredHeaders } from '@rondo/bus'
import { type Envelope, type Instant, parseInstant } from '@rondo/kernel'
import type { Database } from './database.ts'
import { type EpochStart, epochOf } from './epoch.ts'
import { type HighWater, readHighWater } from './high-water.ts'
import type { Standing } from './store.ts'

/*
 * An older copy of a ledger does not know that it is one. Its topic does, and the file beside an embedded bus: they hold how far it was sent.
 */

export interface Witnesses {
  readonly database: Database
  readonly bus: Pick<Bus, 'last'>
  readonly topic: string
  /** The embedded bus: where the high-water mark is kept, outside of the data folder. */
  readonly highWaterFile?: string
}

/** The newest that a partition has, and which event it is. */
interface Mark extends HighWater {
  readonly id: string | undefined
  readonly recordedAt: Instant | undefined
}

/** What was found where nothing spoke against the ledger. */
export interface Seen {
  readonly raised: readonly EpochStart[]
  /** By partition. */
  readonly marks: readonly (Mark | undefined)[]
}

export class RestoredBackup extends Error {}
const restored = 'an older backup was restored; raise the epoch to go on'

/** Of so many records at the end of a partition the newest counts: a request that was given up may be done late, behind newer ones. */
export const lookedBack = 100
const byPlace = (one: HighWater, other: HighWater) => one.epoch - other.epoch || one.position - other.position

/** After a restore of an older backup: what is appended from now on belongs to a new epoch, above all that are known. Resolves with it. */
export async function raiseEpoch(witnesses: Witnesses): Promise<number> {
  const { store } = witnesses.database
  const { marks, file } = await marksOf(witnesses)
  const known = marks.flatMap((mark) => mark ?? []).toSorted(byPlace)
  // A copy is older than the newest that was sent: what it has from before that moment is shared, what it has from after was recorded since
  return store.raiseEpoch(Math.max(0, file?.epoch ?? 0, ...known.map(({ epoch }) => epoch)), known.at(-1)?.recordedAt)
}

/** Whether the bus, or the mark beside it, shows that the ledger is an older copy of what was sent. */
export async function isOlderCopy(witnesses: Witnesses): Promise<boolean> {
  try {
    await compare(witnesses)
    return false
  } catch (error) {
    if (error instanceof RestoredBackup) return true
    throw error
  }
}

/** Throws RestoredBackup where the bus, or the mark beside it, is ahead of the ledger. First the bus, then the ledger: it may grow meanwhile. */
export async function compare(witnesses: Witnesses): Promise<Seen> {
  const { database, topic } = witnesses
  const { marks, file } = await marksOf(witnesses)
  const ledger = await database.store.standing()
  await Promise.all(
    marks.map(async (mark, partition) => {
      const where = `${topic} partition ${partition}`
      if (!mark) return
      refuseAhead(mark, { ...ledger, position: ledger.tails[partition] ?? 0 }, where)
      if (mark.epoch === ledger.epoch) await refuseAnother(database, ledger, mark, where)
    }),
  )
  if (file) refuseAhead(file, ledger, `the high-water mark of ${topic}`)
  return { raised: ledger.raised, marks }
}

/** Of an earlier epoch, and on the bus: sent once more it would hide what was sent behind it, which shows that a copy is an older one. */
export function isShared({ position, partition }: Envelope, current: number, { raised, marks }: Seen): boolean {
  const epoch = epochOf(raised, position)
  const mark = marks[partition]
  return epoch < current && mark !== undefined && (mark.epoch > epoch || (mark.epoch === epoch && mark.position >= position))
}

/** How far the ledger was sent, by the bus, partition by partition, and by the file beside it. */
async function marksOf({ database, bus, topic, highWaterFile }: Witnesses) {
  const { tails } = await database.store.standing()
  const marks = await Promise.all(
    tails.map(async (_, partition) => (await bus.last(topic, partition, lookedBack)).flatMap((record) => markOf(record) ?? [])),
  )
  const file = highWaterFile ? await readHighWater(highWaterFile) : undefined
  return { marks: marks.map((found) => found.toSorted(byPlace).at(-1)), file }
}

function markOf({ headers: { ce_position, ce_epoch = '1', ce_id: id, ce_recordedtime: recorded } }: StoredHeaders): Mark | undefined {
  const position = Number(ce_position)
  if (!Number.isInteger(position)) return undefined
  return { epoch: Number(ce_epoch), position, id, recordedAt: recorded === undefined ? undefined : parseInstant(recorded) }
}

function refuseAhead(mark: HighWater, ledger: Standing, where: string): void {
  if (mark.epoch < ledger.epoch || (mark.epoch === ledger.epoch && mark.position <= ledger.position)) return
  throw new RestoredBackup(
    `${where} knows position ${mark.position} (epoch ${mark.epoch}), the ledger only ${ledger.position} (epoch ${ledger.epoch}): ${restored}`,
  )
}

/** An older copy that has grown past the mark since holds something else there. */
async function refuseAnother({ store }: Database, ledger: Standing, { epoch, position, id }: Mark, where: string): Promise<void> {
  const { batch } = await store.chainedAfter(position - 1, 1, ledger)
  const [found] = batch
  if (id === undefined || found?.event.position !== position || found.event.id === id) return
  throw new RestoredBackup(
    `${where} knows position ${position} (epoch ${epoch}) as ${id}, the ledger has ${found.event.id} there: ${restored}`,
  )
}
