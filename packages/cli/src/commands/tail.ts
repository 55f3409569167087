import { existsSync, readFileSync, writeFileSync } from 'node:fs'
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

/** `HH:MM:SS  service  stream/id  type  actor` */
export const line = (terminal: Terminal, { occurred_at, type, stream, stream_id, actor, loop_ids }: Event): string => {
  const [, service = '', , verb = ''] = type.split('.')
  const loops = loop_ids.length > 0 ? ` ${terminal.dim(loop_ids.join(' '))}` : ''
  return `${terminal.dim(occurred_at.slice(0, 19).replace('T', ' '))}  ${service.padEnd(12)}  ${terminal.bold(`${stream} ${verb}`)}  ${stream_id}  ${terminal.dim(actor)}${loops}`
}

/** Follows all events until it is interrupted. A stream that breaks goes on where it was. */
export async function tail(api: Api, terminal: Terminal, { service, since, cursor }: TailOptions, signal: AbortSignal): Promise<void> {
  const kept = cursor && existsSync(cursor) ? readFileSync(cursor, 'utf8').trim() : ''
  const query = new URLSearchParams({ ...(service ? { service } : {}), ...(since && !kept ? { since: sinceOf(since) } : {}) })
  let last = kept
  terminal.note(terminal.dim('following; Ctrl-C ends'))
  while (!signal.aborted) {
    try {
      for await (const { id, event, data } of api.events(`/v1/tail?${query}`, { signal, ...(last ? { lastId: last } : {}) })) {
        if (event === 'error') throw new CliError('failed', (data as { message: string }).message)
        last = id
        terminal.data(data, line(terminal, data as Event))
        if (cursor) writeFileSync(cursor, `${last}\n`)
      }
    } catch (error) {
      if (signal.aborted) return
      // Nothing was lost: what came is known by `last`. Without any event yet there is nowhere to go on from
      if (!last) throw error
      terminal.note(`the stream broke (${error instanceof Error ? error.message : error}); going on where it was`)
      const { promise, resolve } = Promise.withResolvers<void>()
      setTimeout(resolve, 1000)
      await promise
    }
  }
}
