import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import type { Event } from '@rondo/proto/ledger'
import type { Api } from '../api.ts'
import { CliError } from '../exit.ts'
import { sinceOf } from '../span.ts'
import type { Terminal } from '../terminal.ts'

export interface TailOptions {
  readonly service?: string
  /** RFC 3339, or a span back from now such as 2h. */
  readonly since?: string
  /** A file that keeps where it was left. */
  readonly cursor?: string
}

/** Milliseconds until a stream that ended is opened again. */
const againMs = 1000

/** `HH:MM:SS  service  stream/id  type  actor` */
export const line = (terminal: Terminal, { occurred_at, type, stream, stream_id, actor, loop_ids }: Event): string => {
  const [, service = '', , verb = ''] = type.split('.')
  const loops = loop_ids.length > 0 ? ` ${terminal.dim(loop_ids.join(' '))}` : ''
  return `${terminal.dim(occurred_at.slice(0, 19).replace('T', ' '))}  ${service.padEnd(12)}  ${terminal.bold(`${stream} ${verb}`)}  ${stream_id}  ${terminal.dim(actor)}${loops}`
}

interface Place {
  /** Of the last event that was shown. */
  last: string
}

async function follow(
  api: Api,
  terminal: Terminal,
  path: string,
  place: Place,
  cursor: string | undefined,
  signal: AbortSignal,
): Promise<void> {
  for await (const { id, event, data } of api.events(path, { signal, ...(place.last ? { lastId: place.last } : {}) })) {
    if (event === 'error') {
      const { code, message } = data as { code?: string; message: string }
      throw new CliError('failed', message, code ? { code } : {})
    }
    place.last = id
    terminal.data(data, line(terminal, data as Event))
    if (cursor) writeFileSync(cursor, `${id}\n`)
  }
}

/** What would be refused again, such as a cursor of another epoch, is not tried again. */
const isRefusal = (error: unknown): boolean =>
  error instanceof CliError && error.details.code !== undefined && error.details.code !== 'unavailable'

const keptIn = (cursor: string | undefined): string => (cursor && existsSync(cursor) ? readFileSync(cursor, 'utf8').trim() : '')

/** Follows all events until it is interrupted. A stream that breaks goes on where it was. */
export async function tail(api: Api, terminal: Terminal, { service, since, cursor }: TailOptions, signal: AbortSignal): Promise<void> {
  const kept = keptIn(cursor)
  const query = new URLSearchParams({ ...(service ? { service } : {}), ...(since && !kept ? { since: sinceOf(since) } : {}) })
  const place: Place = { last: kept }
  terminal.note(terminal.dim('following; Ctrl-C ends'))
  let toldAt: string | undefined
  while (!signal.aborted) {
    try {
      await follow(api, terminal, `/v1/tail?${query}`, place, cursor, signal)
    } catch (error) {
      if (signal.aborted) return
      // Nothing was lost: what came is known. Without any event yet there is nowhere to go on from
      if (!place.last || isRefusal(error)) throw error
      if (toldAt !== place.last)
        terminal.note(`the stream broke (${error instanceof Error ? error.message : error}); going on where it was`)
      toldAt = place.last
    }
    // Only an interruption ends the pause early
    await pause(againMs, undefined, { signal }).catch(() => undefined)
  }
}
