import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { DomainError } from '@rondo/kernel'
import { linesOf } from './file.ts'
import { type EventText, rowOf } from './line.ts'

/** A file that holds events of the ledger, by what the ledger knows of it. */
export interface ArchiveFile {
  readonly number: number
  readonly name: string
  readonly first: number
  readonly last: number
}

/** The folder of a service's archive. Its files never change. */
export class ArchiveReader {
  readonly folder: string | undefined

  constructor(folder: string | undefined) {
    this.folder = folder
  }

  /** Where a file lies. Rejects with `not_configured`, and where the events are, where it is not there. */
  async pathOf(name: string): Promise<string> {
    if (this.folder === undefined)
      throw new DomainError('not_configured', `events are archived in ${name}, and no folder of archives is set (RONDO_ARCHIVE_DIR)`, {
        archived: name,
      })
    const path = join(this.folder, name)
    try {
      await access(path)
      return path
    } catch (cause) {
      throw Object.assign(
        new DomainError(
          'not_configured',
          `events are archived in ${name}, which is not in ${this.folder}: put it there, or set RONDO_ARCHIVE_DIR to the folder that holds it`,
          { archived: name },
        ),
        { cause },
      )
    }
  }

  async *rows(name: string): AsyncGenerator<EventText> {
    for await (const line of linesOf(await this.pathOf(name))) yield rowOf(line)
  }

  /** Of all files, with positions above `after`, in their order. A file is open only while its positions are passed. */
  async *inOrder(files: readonly ArchiveFile[], after: number): AsyncGenerator<EventText> {
    const waiting = files.filter(({ last }) => last > after).sort((a, b) => a.first - b.first)
    const open: { row: EventText; readonly rest: AsyncGenerator<EventText> }[] = []
    try {
      for (;;) {
        const lowest = open.reduce((low, { row }) => Math.min(low, Number(row.position)), Number.POSITIVE_INFINITY)
        const next = waiting[0]
        if (next && next.first <= lowest) {
          waiting.shift()
          const rest = behind(this.rows(next.name), after)
          const first = await rest.next()
          if (!first.done) open.push({ row: first.value, rest })
          continue
        }
        const index = open.findIndex(({ row }) => Number(row.position) === lowest)
        const one = open[index]
        if (!one) return
        yield one.row
        const following = await one.rest.next()
        if (following.done) open.splice(index, 1)
        else one.row = following.value
      }
    } finally {
      for (const { rest } of open) await rest.return(undefined)
    }
  }
}

async function* behind(rows: AsyncGenerator<EventText>, after: number): AsyncGenerator<EventText> {
  for await (const row of rows) if (Number(row.position) > after) yield row
}
