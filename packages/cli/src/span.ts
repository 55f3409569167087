import { CliError } from './exit.ts'

const units = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** A span such as `90s`, `15m`, `2h`, `7d`, `0`, in milliseconds; undefined: it is none. */
export function spanMs(text: string): number | undefined {
  if (text === '0') return 0
  const [, amount, unit] = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text) ?? []
  return amount && unit ? Number(amount) * units[unit as keyof typeof units] : undefined
}

/** The span that an option gives, in milliseconds. */
export function timeoutOf(text: string): number {
  const ms = spanMs(text)
  if (ms === undefined) throw new CliError('usage', `--timeout: "${text}" is no span such as 90s, 15m, 2h; 0 looks once`)
  return ms
}

/** The moment that `--since`, or another option, names, as RFC 3339: a time, or a span back from now. */
export function sinceOf(text: string, now = Date.now(), option = '--since'): string {
  const ms = spanMs(text)
  if (ms !== undefined) return new Date(now - ms).toISOString()
  if (/^\d{4}-/.test(text) && !Number.isNaN(Date.parse(text))) return new Date(text).toISOString()
  throw new CliError('usage', `${option}: "${text}" is neither a span (90s, 15m, 2h, 7d) nor an RFC 3339 time`)
}

/** Milliseconds as a person says them. */
export function inWords(ms: number): string {
  if (ms < 60_000) return `${Math.round(ms / 1000)} s`
  if (ms < 3_600_000) return `${Math.round(ms / 60_000)} min`
  return `${(ms / 3_600_000).toFixed(1)} h`
}
