import { styleText } from 'node:util'
import { CliError, exits } from './exit.ts'

export interface Terminal {
  readonly json: boolean
  /** Data: the one thing on stdout. Under --json one JSON value a line. */
  data(value: unknown, text: string): void
  /** A line for people, on stdout; nothing under --json. */
  line(text: string): void
  /** All else, on stderr; silent under --json. */
  note(text: string): void
  /** A line that is rewritten on a terminal and printed now and then off one. */
  progress(text: string): void
  bold(text: string): string
  dim(text: string): string
  colour(name: 'green' | 'red' | 'yellow' | 'cyan', text: string): string
}

/** Milliseconds between two progress lines where they cannot be rewritten. */
const quietMs = 5000

export interface Streams {
  readonly out: { write(text: string): unknown; readonly isTTY?: boolean }
  readonly err: { write(text: string): unknown; readonly isTTY?: boolean }
}

export function createTerminal(json: boolean, { out, err }: Streams = { out: process.stdout, err: process.stderr }): Terminal {
  const styled = out.isTTY && !process.env.NO_COLOR && !json
  const style = (format: Parameters<typeof styleText>[0], text: string) =>
    styled ? styleText(format, text, { validateStream: false }) : text
  let last = Number.NEGATIVE_INFINITY
  let unfinished = false
  /** What was rewritten in place stays as it was last. */
  const endProgress = () => {
    if (unfinished) err.write('\n')
    unfinished = false
  }
  const print = (text: string) => {
    endProgress()
    out.write(`${text}\n`)
  }
  return {
    json,
    data: (value, text) => print(json ? JSON.stringify(value) : text),
    line: (text) => (json ? undefined : print(text)),
    note(text) {
      if (json) return
      endProgress()
      err.write(`${text}\n`)
    },
    progress(text) {
      if (json) return
      if (err.isTTY) {
        unfinished = true
        err.write(`\r\u001b[K${text}`)
      } else if (performance.now() - last > quietMs) {
        last = performance.now()
        err.write(`${text}\n`)
      }
    },
    bold: (text) => style('bold', text),
    dim: (text) => style('dim', text),
    colour: (name, text) => style(name, text),
  }
}

/** Says what went wrong and how the process ends. */
export function report(error: unknown, json: boolean, { err }: Pick<Streams, 'err'> = { err: process.stderr }): number {
  const known = error instanceof CliError ? error : new CliError('failed', error instanceof Error ? error.message : String(error))
  const { code } = exits[known.exit]
  err.write(json ? `${JSON.stringify({ error: known.message, exit: code, ...known.details })}\n` : `rondo: ${known.message}\n`)
  return code
}
