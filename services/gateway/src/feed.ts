import type { SubscribeRequest, SubscribeResponse } from '@rondo/proto/feedback'
import { unlessAborted } from '@rondo/runtime'

/** What an entry says of itself; where it stands is its cursor. */
export type Entry = SubscribeResponse

/** New entries as they come, for whoever listens; `broken` when some may have been missed. */
export interface LiveSource {
  listen(listener: LiveListener): () => void
}
export interface LiveListener {
  readonly entry: (entry: Entry) => void
  /** Something may have been missed: go back to the ledger, from where you are. */
  readonly broken: () => void
}

/** Entries that wait for a slow reader; above it they are dropped and read again from the ledger. */
const mostWaiting = 1000

/** Whether a subscriber wants it: as the feedback service decides over its own backlog. */
export const wants = (
  { service, kinds, requirement_id }: Pick<SubscribeRequest, 'service' | 'kinds' | 'requirement_id'>,
  entry: Entry,
): boolean =>
  (service === '' || entry.service === service) &&
  (kinds.length === 0 || kinds.includes(entry.kind)) &&
  (requirement_id === '' || entry.requirement_id === requirement_id)

const nothing = () => undefined

/** What came live while somebody reads: bounded, each entry once. */
class Waiting {
  readonly #entries = new Map<string, Entry>()
  #missed = false
  #wake: () => void = nothing

  add(entry: Entry): void {
    if (this.#entries.size < mostWaiting) this.#entries.set(entry.entry_id, entry)
    else this.#missed = true
    this.#wake()
  }
  miss(): void {
    this.#missed = true
    this.#wake()
  }
  /** It was read from the ledger. */
  seen(entry: Entry): void {
    this.#entries.delete(entry.entry_id)
  }
  take(): { readonly entries: readonly Entry[]; readonly missed: boolean } {
    const taken = { entries: [...this.#entries.values()], missed: this.#missed }
    this.#entries.clear()
    this.#missed = false
    return taken
  }
  async filled(signal: AbortSignal): Promise<void> {
    if (this.#entries.size > 0 || this.#missed) return
    await unlessAborted(signal, (done) => {
      this.#wake = done
      return nothing
    })
  }
}

export interface Feed {
  readonly live: LiveSource
  /** Where the ledger ends now, as a cursor. */
  readonly head: () => Promise<string>
  /** From the ledger: all after the cursor that the subscriber wants, up to the head at this moment. */
  readonly backlog: (request: SubscribeRequest, signal: AbortSignal) => AsyncIterable<Entry>
  /** Whether a cursor stands behind another. */
  readonly isBehind: (cursor: string, other: string) => boolean
}

/**
 * A subscriber's entries: what the ledger has, then live, and the ledger again whenever live may have missed some. Nothing is lost and nothing comes
 * twice whatever the live side does, because the ledger is read from the subscriber's own place while live entries already wait.
 */
export async function* subscribed(
  { live, head, backlog, isBehind }: Feed,
  request: SubscribeRequest,
  signal: AbortSignal,
): AsyncGenerator<Entry> {
  const waiting = new Waiting()
  const stop = live.listen({ entry: (entry) => wants(request, entry) && waiting.add(entry), broken: () => waiting.miss() })
  try {
    // "From now" is a place too, or what is missed later could not be read again
    let cursor = request.cursor || request.from === 'start' ? request.cursor : await head()
    let behind = true
    while (!signal.aborted) {
      if (behind) {
        for await (const entry of backlog({ ...request, cursor, until_head: true }, signal)) {
          waiting.seen(entry)
          cursor = entry.cursor
          yield entry
        }
      }
      await waiting.filled(signal)
      const { entries, missed } = waiting.take()
      behind = missed
      // What waits behind a gap is read from the ledger with what is missing
      if (!missed)
        for (const entry of entries) {
          // The ledger may have been quicker: what was read from it can still come live
          if (!isBehind(entry.cursor, cursor)) continue
          cursor = entry.cursor
          yield entry
        }
    }
  } finally {
    stop()
  }
}
