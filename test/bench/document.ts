import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import { repositoryRoot } from '@rondo/testkit/test-data'
import type { Figure } from './measure.ts'
import { rowOf, tableHead } from './report.ts'

/*
 * docs/performance.md is written by people; what stands between its marks is written from here. Rows that were measured again take the
 * places of their former ones: each row has its control from its own run, so that they need not all be of one.
 */

const marks = { begin: '<!-- figures: written by `npm run bench -- --write` -->', end: '<!-- end of figures -->' } as const
const docs = () => join(repositoryRoot(), 'docs')
const folder = () => join(docs(), 'performance')
const linesFile = () => join(folder(), 'figures.json')

interface Line {
  /** Of the table of rows. */
  readonly row: string
  readonly day: string
  readonly lines: readonly string[]
}

const machine = () =>
  `${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'}), ${Math.round(totalmem() / 2 ** 30)} GB, Node ${process.version}`

function linesSoFar(): readonly Line[] {
  return existsSync(linesFile()) ? (JSON.parse(readFileSync(linesFile(), 'utf8')) as Line[]) : []
}

/** The newer lines in the places of those before, in the order of the rows. */
export function merged(before: readonly Line[], newer: readonly Line[], order: readonly string[]): readonly Line[] {
  const all = new Map([...before, ...newer].map((line) => [line.row, line]))
  return order.flatMap((row) => all.get(row) ?? [])
}

/** The text with what is between the marks replaced. */
export function filledIn(text: string, table: string): string {
  const [begin, end] = [text.indexOf(marks.begin), text.indexOf(marks.end)]
  if (begin < 0 || end < begin) throw new RangeError(`docs/performance.md: expected ${marks.begin} and, after it, ${marks.end}`)
  return `${text.slice(0, begin + marks.begin.length)}\n\n${table}\n${text.slice(end)}`
}

/** The figures of rows into docs/performance.md, beside those of other rows. */
export function writeFigures(measured: ReadonlyMap<string, readonly Figure[]>, order: readonly string[]): void {
  const day = new Date().toISOString().slice(0, 10)
  const newer = [...measured].map(([row, figures]) => ({ row, day, lines: figures.map(rowOf) }))
  const lines = merged(linesSoFar(), newer, order)
  mkdirSync(folder(), { recursive: true })
  writeFileSync(linesFile(), `${JSON.stringify(lines, null, 2)}\n`)
  const days = [...new Set(lines.map((line) => line.day))].sort()
  const about = `${machine()}; ${days.join(', ')}.`
  const table = [...tableHead, ...lines.flatMap((line) => line.lines)].join('\n')
  const file = join(docs(), 'performance.md')
  writeFileSync(file, filledIn(readFileSync(file, 'utf8'), `${about}\n\n${table}\n`))
}

/** A drawing beside docs/performance.md. */
export function writeDrawing(name: string, svg: string): void {
  mkdirSync(folder(), { recursive: true })
  writeFileSync(join(folder(), `${name}.svg`), svg)
}
