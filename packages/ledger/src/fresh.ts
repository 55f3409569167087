import type { Chained, Chaining, Fresh, History, Sent } from './store.ts'

/** Batches that wait to be sent as they were written; what comes beyond them is read. */
const mostWaiting = 64

const firstOf = ({ batch }: Chaining): number => batch[0]?.event.position ?? 0
const endOf = ({ batch }: Chaining): number => batch.at(-1)?.event.position ?? 0
/** All before it has been sent, as the ledger knew in the moment it was written. */
const isNext = (one: Fresh): boolean => one.marked >= firstOf(one) - 1
/** Whether it was written to the ledger that is known. */
export const isOf = (one: History, { epoch, incarnation }: History): boolean => one.epoch === epoch && one.incarnation === incarnation

/** What is to be sent, and behind which position. */
export interface Next extends Chaining {
  readonly from: number
}

/**
 * What this process has written and not sent yet: it is sent as it was written, and need not be read back, where nothing lies between and
 * the ledger stood as it is known here.
 */
export class FreshWrites {
  #waiting: Fresh[] = []
  /** Up to where everything was sent, as the ledger has said that it knows, and when it said so; the newest last. */
  #known: { readonly at: number; readonly marked: number }[] = []
  /** The last that this process has sent. */
  #sent: Sent | undefined
  /** Where the last that it was offered, and is going to send beside the holder of the lease, ends. */
  #end: number | undefined

  /** Of the holder of the lease, who sends all. */
  add(written: Fresh): void {
    if (this.#waiting.length < mostWaiting) this.#waiting.push(written)
  }

  /** Of who does not hold it: true where it may be sent beside who does, as all before it was sent, or is going to be by this process. */
  offer(written: Fresh, ledger: History): boolean {
    const isTaken = isOf(written, ledger) && this.#waiting.length < mostWaiting && (isNext(written) || firstOf(written) - 1 === this.#end)
    this.#end = isTaken ? endOf(written) : undefined
    if (isTaken) this.#waiting.push(written)
    return isTaken
  }

  /** Whether the newest was taken when it was offered, and not given back since. */
  ends(position: number): boolean {
    return position === this.#end
  }

  /** The ledger has said anew how it stands: what was written before counts for nothing, it has waited for long. */
  knownAnew(at: number, marked: number): void {
    this.#known = [{ at, marked }]
  }

  known(at: number, marked: number): void {
    this.#known = [...this.#known.slice(-mostWaiting), { at, marked }]
  }

  sentTo(last: Sent): void {
    this.#sent = last
  }

  /**
   * Whether what was written first of what waits was written behind the very event that this process has sent last: in the transaction that
   * wrote it that was the ledger's last one, so that it need not be looked for before this is sent.
   */
  goesOn(): boolean {
    const first = this.#waiting.toSorted((one, other) => firstOf(one) - firstOf(other))[0]
    return first !== undefined && this.#isBehindSent(first)
  }

  #isBehindSent(one: Fresh): boolean {
    return this.#sent !== undefined && firstOf(one) - 1 === this.#sent.position && one.behind === this.#sent.recordedAt
  }

  /** Gives back what waits, and may have been sent in part: whether it was taken when it was offered. */
  forget(): boolean {
    const isOffered = this.#end !== undefined
    this.#waiting = []
    this.#sent = undefined
    this.#end = undefined
    return isOffered
  }

  /**
   * What comes behind the position. Undefined where something else lies between, or where the ledger did not stand as it is known here: it
   * is read then, which tells more.
   */
  after(from: number, most: number, ledger: History): Next | undefined {
    return this.#behind(from, this.#taken(), most, ledger)
  }

  /** What can be sent beside the holder of the lease; the rest is given back. */
  beside(most: number, ledger: History): { readonly next: Next | undefined; readonly isAll: boolean } {
    const waiting = this.#taken()
    // What was written before that one was sent by others since
    const begin = Math.max(
      0,
      waiting.findLastIndex((one) => isNext(one)),
    )
    const first = waiting[begin]
    const next = first && this.#behind(firstOf(first) - 1, waiting.slice(begin), most, ledger)
    const last = waiting.at(-1)
    const isAll = last === undefined || (next !== undefined && next.from + next.batch.length === endOf(last))
    if (!isAll) this.#end = undefined
    return { next, isAll }
  }

  #taken(): readonly Fresh[] {
    return this.#waiting.splice(0).toSorted((one, other) => firstOf(one) - firstOf(other))
  }

  #behind(from: number, waiting: readonly Fresh[], most: number, ledger: History): Next | undefined {
    const batch: Chained[] = []
    for (const one of waiting) {
      // Of before the ledger was asked last nothing counts
      const known = this.#known.findLast(({ at }) => at <= one.at)
      if (batch.length >= most || !isOf(one, ledger) || !known || one.marked < known.marked) break
      // Behind what others have sent only where the ledger knew of it when this was written
      const last = batch.at(-1)
      const isBehind = last ? one.behind === last.event.recordedAt : this.#isBehindSent(one) || isNext(one)
      if (isBehind && firstOf(one) === from + batch.length + 1) batch.push(...one.batch)
    }
    return batch.length > 0 ? { ...ledger, batch, marked: from, from } : undefined
  }
}
