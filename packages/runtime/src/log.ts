import { type DestinationStream, type Logger, pino } from 'pino'

export type { Logger } from 'pino'

/** Fields that are secrets or tell of a person; their values never reach a log, however deep they lie. */
const hidden = new Set([
  ...['authorization', 'cookie', 'token', 'tokens', 'password', 'secret', 'signature', 'x-hub-signature-256'],
  ...['email', 'emails', 'github', 'github_id', 'shown', 'raw', 'text'],
])
const credentials = /(\w+:\/\/)[^@/\s]+@/g
const bearer = /\b(Bearer)\s+\S+/gi

const cleanText = (text: string) => text.replace(credentials, '$1…@').replace(bearer, '$1 …')

function clean(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return cleanText(value)
  if (typeof value === 'bigint') return value.toString()
  if (value === null || typeof value !== 'object' || value instanceof Date) return value
  if (value instanceof Error) {
    const { name, message, stack, cause } = value
    const code = 'code' in value ? { code: value.code } : {}
    return {
      name,
      message: cleanText(message),
      ...code,
      stack: cleanText(stack ?? ''),
      ...(cause && depth > 0 ? { cause: clean(cause, depth - 1) } : {}),
    }
  }
  if (depth === 0) return '…'
  if (Array.isArray(value)) return value.slice(0, 50).map((item) => clean(item, depth - 1))
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [name, hidden.has(name.toLowerCase()) ? '[redacted]' : clean(item, depth - 1)]),
  )
}

/** What a logger says in each of its lines is not said again in one of them: a name that comes twice is no JSON that all take. */
function unsaid(fields: unknown, bound: Readonly<Record<string, unknown>>): unknown {
  if (fields === null || typeof fields !== 'object' || fields instanceof Error) return fields
  return Object.fromEntries(Object.entries(fields).filter(([name, value]) => bound[name] !== value))
}

/** JSON lines: level as a word, time in RFC 3339, `trace_id` and `span_id` of the active span, secrets and personal fields hidden. */
export function createLog(level: string, destination?: DestinationStream): Logger {
  const options = {
    level,
    base: { pid: process.pid },
    // `clean` has made the error a plain object by then; pino's own would call it "Object".
    serializers: { err: (value: unknown) => value },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: {
      level: (label: string) => ({ level: label }),
      log: (fields: Record<string, unknown>) => clean(fields, 6) as Record<string, unknown>,
    },
    hooks: {
      logMethod(this: Logger, args: Parameters<pino.LogFn>, method: pino.LogFn) {
        const [first, ...rest] = args
        method.apply(this, [typeof first === 'string' ? cleanText(first) : unsaid(first, this.bindings()), ...rest] as typeof args)
      },
    },
  } satisfies pino.LoggerOptions
  return destination ? pino(options, destination) : pino(options)
}
