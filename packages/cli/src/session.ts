import { type Api, createApi } from './api.ts'
import { createTerminal, type Streams, type Terminal } from './terminal.ts'

/** What every command works with. */
export interface Session {
  readonly api: Api
  readonly terminal: Terminal
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal
}

export interface Setting {
  readonly json: boolean
  readonly signal: AbortSignal
  readonly streams: Streams
}

export const openSession = ({ json, signal, streams }: Setting): Session => ({
  api: createApi(),
  terminal: createTerminal(json, streams),
  signal,
})
