import type { Bounds, Bus } from '@rondo/bus'
import { type Ledger, lookedBack } from '@rondo/ledger'
import type { Watermark } from './consumer-record.ts'
import { isIntake } from './reaction-table.ts'

/** Part of the reason of a partition whose records are missing. */
export const missing = 'closes the gap'

/** What an operator has to say to have a partition's records sent again. */
export const replayCommand = (topic: string, partition: number, from: number): string =>
  `"rondo replay ${topic.split('.')[1]} --partition ${partition} --from ${from}"`

interface Start {
  readonly mark: Watermark
  readonly offset: bigint | 'first'
}
interface Sources {
  readonly bus: Bus
  readonly ledger: Ledger
}

/** Where reading of a partition goes on: from the database, every time anew. Rejects where all that follows was deleted unread. */
export const startOf = (sources: Sources, topic: string, partition: number): Promise<Start> =>
  isIntake(topic) ? intakeStart(sources, topic, partition) : ledgerStart(sources, topic, partition)

async function intakeStart({ bus, ledger }: Sources, topic: string, partition: number): Promise<Start> {
  const source = `${topic}@${await bus.topicId(topic)}`
  const checkpoint = await ledger.checkpoint(source, partition)
  const seen = checkpoint?.position ?? 0
  // From the very first, not from the first that is left: what was deleted unread is missed
  return { mark: { source, epoch: 0, seen, stored: seen }, offset: checkpoint?.nextOffset ?? 0n }
}

/** Positions are the truth: an offset that no longer fits (the topic was refilled) costs a look from the beginning, nothing more. */
async function ledgerStart({ bus, ledger }: Sources, topic: string, partition: number): Promise<Start> {
  const boundsOf = async () => (await bus.bounds(topic)).find((one) => one.partition === partition)
  const last = await bus.last(topic, partition, lookedBack)
  const newest = Math.max(1, ...last.map(({ headers }) => Number(headers.ce_epoch ?? 1)))
  for (let epoch = newest; epoch >= 1; epoch -= 1) {
    const source = `${topic}#${epoch}`
    const checkpoint = await ledger.checkpoint(source, partition)
    if (!checkpoint) continue
    const seen = checkpoint.position
    const bounds = await boundsOf()
    const there = bounds && checkpoint.nextOffset >= bounds.first && checkpoint.nextOffset <= bounds.next
    doubt(`${topic}/${partition}`, bounds, seen, checkpoint.nextOffset, replayCommand(topic, partition, seen + 1))
    return { mark: { source, epoch, seen, stored: seen }, offset: there ? checkpoint.nextOffset : 'first' }
  }
  doubt(`${topic}/${partition}`, await boundsOf(), 0, 0n, replayCommand(topic, partition, 1))
  return { mark: { source: `${topic}#1`, epoch: 1, seen: 0, stored: 0 }, offset: 'first' }
}

/** Where a record is left, the chain tells what is missing; where all were deleted unread, nothing would. */
function doubt(where: string, bounds: Pick<Bounds, 'first' | 'next'> | undefined, seen: number, nextOffset: bigint, command: string): void {
  if (!bounds || bounds.first !== bounds.next || nextOffset >= bounds.first) return
  const left = `read up to position ${seen}, the first offset that is there is ${bounds.first}, and all records before it were deleted unread`
  throw new Error(`${where}: ${left}; ${command} ${missing}`)
}
