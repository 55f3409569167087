import { get, type IncomingMessage } from 'node:http'
import { createParser } from 'eventsource-parser'

export interface SseEntry {
  readonly cursor: string
  readonly entry_id: string
  readonly title: string
}

/** A reader of server-sent events that can stop reading, as a slow client does. It does not connect again by itself. */
export class SseReader {
  /** Those that are wanted. */
  readonly got: SseEntry[] = []
  /** How many of whatever kind. */
  any = 0
  readonly errors: string[] = []
  /** Resolves when the headers are there. */
  readonly opened: Promise<void>
  #response: IncomingMessage | undefined
  readonly #request

  constructor(url: string, token: string, wanted: (entry: SseEntry) => boolean = () => true) {
    const parser = createParser({
      onEvent: ({ event, data }) => {
        if (event === 'error') return void this.errors.push(data)
        const entry = JSON.parse(data) as SseEntry
        this.any += 1
        if (wanted(entry)) this.got.push(entry)
      },
    })
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.opened = promise
    // An agent of its own: a slow reader must not hold up others' connections
    this.#request = get(url, { agent: false, headers: { authorization: `Bearer ${token}`, accept: 'text/event-stream' } }, (response) => {
      this.#response = response
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => parser.feed(chunk))
      response.on('end', () => void this.errors.push('the stream ended'))
      if (response.statusCode === 200) resolve()
      else reject(new Error(`${url} answers ${response.statusCode}`))
    })
    this.#request.on('error', (error) => {
      this.errors.push(error.message)
      reject(error)
    })
  }
  pause(): void {
    this.#response?.pause()
  }
  resume(): void {
    this.#response?.resume()
  }
  close(): void {
    this.#response?.removeAllListeners('end')
    this.#request.removeAllListeners('error')
    this.#request.on('error', () => undefined)
    this.#request.destroy()
  }
}
