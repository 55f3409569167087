import { refuse } from '@rondo/kernel'

interface Place {
  readonly position: number
  readonly epoch: number
}

/** Opaque to clients: the ledger's epoch and the position after which to go on. */
export const cursorOf = ({ position, epoch }: Place): string => Buffer.from(`${epoch}.${position}`).toString('base64url')

/** Where a subscriber goes on. A cursor of another epoch, or from the future, is answered and never taken for "all" or "nothing". */
export function placeOf(cursor: string, head: Place): number {
  const [, epoch, position] = /^(\d{1,15})\.(\d{1,15})$/.exec(Buffer.from(cursor, 'base64url').toString()) ?? []
  if (!epoch || !position) refuse('invalid', 'expected a cursor as an entry of the stream carries it', { path: 'cursor' })
  if (Number(epoch) !== head.epoch)
    refuse(
      'stale_cursor',
      `the cursor belongs to epoch ${epoch}, now it is ${head.epoch}: the history was restored; start again with from "start" or "now"`,
      { path: 'cursor' },
    )
  if (Number(position) > head.position)
    refuse(
      'stale_cursor',
      `the cursor is at ${position} and the stream ends at ${head.position}: it lies in the future; start again with from "start" or "now"`,
      { path: 'cursor' },
    )
  return Number(position)
}
