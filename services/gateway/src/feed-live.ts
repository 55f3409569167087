import type { SubscribeRequest } from '@rondo/proto/feedback'
import type { Host } from '@rondo/runtime'
import { stream } from './calls.ts'
import type { Entry, LiveListener, LiveSource } from './feed.ts'

const everything: SubscribeRequest = { service: '', kinds: [], requirement_id: '', cursor: '', from: 'now', until_head: false }
/** Milliseconds before a source that broke is opened again. */
const retryMs = 500

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

async function pause(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, retryMs)
  signal.addEventListener('abort', () => resolve(), { once: true })
  await promise
  clearTimeout(timer)
}

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
        const entries = stream(host, 'feedback', 'rondo.feedback.v1.Feedback/Subscribe', everything, {
          authorization: authorization(),
          signal,
        })
        for await (const entry of entries) onEntry(entry)
      } catch (error) {
        if (!signal.aborted) host.log.info({ err: error }, 'the live feed broke; it is opened again')
      }
      if (signal.aborted) return
      // Between the break and the next entry some may be missed
      await pause(signal)
      onBroken()
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
