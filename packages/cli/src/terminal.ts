import { styleText } from 'node:util'
import { CliError, exits } from './exit.ts'

export interface Terminal {
  readonly json: boolean
  /** Data: the one thing on stdout. Under --json one JSON value a line. */
  data(value: unknown, text: string): void
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

export function createTerminal(json: boolean): Terminal {
  const styled = process.stdout.isTTY && !process.env['NO_COLOR'] && !json
  const style = (format: Parameters<typeof styleText>[0], text: string) => (styled ? styleText(format, text) : text)
  let last = 0
  return {
    json,
    data: (value, text) => void process.stdout.write(`${json ? JSON.stringify(value) : text}\n`),
    note: (text) => void (json || process.stderr.write(`${text}\n`)),
    progress(text) {
      if (json) return
      if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`)
      else if (performance.now() - last > quietMs) {
        last = performance.now()
        process.stderr.write(`${text}\n`)
      }
    },
    bold: (text) => style('bold', text),
    dim: (text) => style('dim', text),
    colour: (name, text) => style(name, text),
  }
}

/** Says what went wrong and how the process ends. */
export function report(error: unknown, json: boolean): number {
  const known = error instanceof CliError ? error : new CliError('failed', error instanceof Error ? error.message : String(error))
  const { code } = exits[known.exit]
  process.stderr.write(json ? `${JSON.stringify({ error: known.message, exit: code, ...known.details })}\n` : `rondo: ${known.message}\n`)
  return code
}
