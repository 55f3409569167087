import { inject } from 'vitest'
import { messageOf } from './engine.ts'
import { eventually } from './eventually.ts'
import { jaegerAnswers, jaegerUnbuildable, jaegerVersion, launchJaeger } from './local/jaeger.ts'
import type {} from './vitest-setup.ts'

const variable = 'RONDO_TEST_JAEGER_URL'
const otlpVariable = 'RONDO_TEST_JAEGER_OTLP_URL'

/**
 * A Jaeger that a test asks about spans. It is none of the run's engines, which all start at its beginning: it takes minutes to build
 * once, and few runs want it.
 */
export interface Jaeger {
  /** The query API: `/api/services`, `/api/traces`. */
  readonly query: string
  /** OTLP over HTTP: what OTEL_EXPORTER_OTLP_ENDPOINT takes. */
  readonly otlp: string
  readonly from: string
  stop(): Promise<void>
}

const named = (env: NodeJS.ProcessEnv, name: string): string | undefined => env[name] || undefined

/** Why there can be no Jaeger, and how to get one; undefined: `startJaeger` can be called. For `needs({ also: jaegerMissing() })`. */
export function jaegerMissing(env: NodeJS.ProcessEnv = process.env, unbuildable = jaegerUnbuildable): string | undefined {
  if (named(env, variable) !== undefined) return undefined
  const reason = unbuildable()
  const image = `jaegertracing/all-in-one:${jaegerVersion}`
  return (
    reason && `jaeger is missing: ${reason}; install Go (https://go.dev/dl), or start ${image} and set ${variable} to its query address`
  )
}

/** OTLP over HTTP is on port 4318 of the same host unless told. */
export function otlpOf(query: string, env: NodeJS.ProcessEnv): string {
  const told = named(env, otlpVariable)
  if (told !== undefined) return told
  const url = new URL(query)
  url.port = '4318'
  return url.origin
}

/** The one that RONDO_TEST_JAEGER_URL names, else a process of its own, built once for this machine with progress on stderr. */
export async function startJaeger(env: NodeJS.ProcessEnv = process.env): Promise<Jaeger> {
  const query = named(env, variable)
  if (query === undefined) {
    const engine = await launchJaeger(inject('rondoRunFolder'))
    return { query: engine.address, otlp: engine.otlp, from: `process ${engine.pid}`, stop: () => engine.stop() }
  }
  try {
    await eventually(() => jaegerAnswers(query).then(() => true), { within: 5000, every: 250 })
  } catch (error) {
    throw new Error(`${variable} is set, but what it names does not answer (${messageOf(error)}): start it, or unset ${variable}`, {
      cause: error,
    })
  }
  return { query, otlp: otlpOf(query, env), from: variable, stop: async () => undefined }
}
