import type { SubscribeRequest } from '@rondo/proto/feedback'
import { cursorOf, type Host, unlessAborted } from '@rondo/runtime'
import { call, stream } from './calls.ts'
import type { Entry, LiveListener, LiveSource } from './feed.ts'

const everything: SubscribeRequest = { service: '', kinds: [], requirement_id: '', cursor: '', from: 'now', until_head: false }
/** Milliseconds before a source that broke is opened again. */
const retryMs = 500

/** Where the feedback service's ledger ends now, as a cursor. */
export async function headOf(host: Host, authorization: string | undefined): Promise<string> {
  const { services } = await call(host, 'feedback', 'rondo.ledger.v1.Ledger/Status', { service: 'feedback' }, { authorization })
  const [feedback] = services
  return feedback ? cursorOf(Number(feedback.epoch), Number(feedback.position)) : ''
}

/** Listeners of one process. */
export class Listeners {
  readonly #all = new Set<LiveListener>()
  get size(): number {
    return this.#all.size
  }
  add(listener: LiveListener): () => void {
    this.#all.add(listener)
    return () => this.#all.delete(listener)
  }
  entry(entry: Entry): void {
    for (const listener of this.#all) listener.entry(entry)
  }
  broken(): void {
    for (const listener of this.#all) listener.broken()
  }
}

const pause = (signal: AbortSignal): Promise<void> =>
  unlessAborted(signal, (done) => {
    const timer = setTimeout(done, retryMs)
    return () => clearTimeout(timer)
  })

/** One subscription of the feedback service for all subscribers of this process, open while there is any. */
export function upstream(
  host: Host,
  authorization: () => string | undefined,
  onEntry: (entry: Entry) => void,
  onBroken: () => void,
): { open(): void; close(): void } {
  let closing: AbortController | undefined
  const follow = async (signal: AbortSignal) => {
    while (!signal.aborted) {
      try {
        // From a place that is known: whoever reads the ledger after this has all before it, and live comes all behind it
        const cursor = await headOf(host, authorization())
        onBroken()
        const entries = stream(
          host,
          'feedback',
          'rondo.feedback.v1.Feedback/Subscribe',
          { ...everything, cursor },
          {
            authorization: authorization(),
            signal,
          },
        )
        for await (const entry of entries) onEntry(entry)
      } catch (error) {
        if (!signal.aborted) host.log.info({ err: error }, 'the live feed broke; it is opened again')
      }
      if (signal.aborted) return
      await pause(signal)
    }
  }
  return {
    open() {
      if (closing) return
      closing = new AbortController()
      void follow(AbortSignal.any([closing.signal, host.stopping]))
    },
    close() {
      closing?.abort()
      closing = undefined
    },
  }
}

/** Live entries within one process. */
export function localLive(host: Host, authorization: () => string | undefined): LiveSource {
  const listeners = new Listeners()
  const source = upstream(
    host,
    authorization,
    (entry) => listeners.entry(entry),
    () => listeners.broken(),
  )
  return {
    listen(listener) {
      const remove = listeners.add(listener)
      source.open()
      return () => {
        remove()
        if (listeners.size === 0) source.close()
      }
    },
  }
}
