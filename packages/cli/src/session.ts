import { type Api, createApi } from './api.ts'
import { createTerminal, type Terminal } from './terminal.ts'

/** What every command works with. */
export interface Session {
  readonly api: Api
  readonly terminal: Terminal
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal
}

export const openSession = (json: boolean, signal: AbortSignal): Session => ({ api: createApi(), terminal: createTerminal(json), signal })
