import { context, metrics, propagation, type Tracer, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import { PrometheusExporter, PrometheusSerializer } from '@opentelemetry/exporter-prometheus'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { MeterProvider } from '@opentelemetry/sdk-metrics'
import { AlwaysOffSampler, type SpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'
import { shielding } from './shielding.ts'

type Env = Readonly<Record<string, string | undefined>>

interface Telemetry {
  readonly tracers: Map<string, Tracer>
  readonly makeTracer: (service: string) => Tracer
  readonly prometheus: PrometheusExporter
  readonly shutdown: () => Promise<void>
  /** Whether anybody takes the spans. */
  readonly keepsSpans: boolean
}
let running: Telemetry | undefined

/** The semantic conventions whose names the spans use. */
const schemaUrl = 'https://opentelemetry.io/schemas/1.37.0'

/** How long the last spans and metrics may take to be sent when the process ends, in milliseconds. */
const shutdownMs = 2000

/** `rondo-requirements` where a service runs alone (`services/requirements/…`), else `rondo`. */
function processName(env: Env, script: string | undefined): string {
  if (env.OTEL_SERVICE_NAME) return env.OTEL_SERVICE_NAME
  const [, name] = /[/\\]services[/\\]([^/\\]+)[/\\]/.exec(script ?? '') ?? []
  return name && name !== 'all-in-one' ? `rondo-${name}` : 'rondo'
}

const resource = (name: string, env: Env) =>
  resourceFromAttributes({
    'service.name': name,
    'service.namespace': 'rondo',
    'service.instance.id': `${process.pid}`,
    'deployment.environment.name': env.RONDO_ENVIRONMENT || 'development',
  })

/** Never rejects, and never waits longer than a moment: the collector may be down. */
async function bounded(ends: readonly (() => Promise<unknown>)[]): Promise<void> {
  const late = Promise.withResolvers<void>()
  const timer = setTimeout(late.resolve, shutdownMs)
  await Promise.race([Promise.allSettled(ends.map((end) => end())), late.promise])
  clearTimeout(timer)
}

export interface TelemetryOptions {
  /** Beside the one that sends to `OTEL_EXPORTER_OTLP_ENDPOINT`. */
  readonly spanProcessors?: readonly SpanProcessor[]
}

/**
 * Traces and metrics of this process, sent to `OTEL_EXPORTER_OTLP_ENDPOINT`; `register.mjs` does not call it where that is not set.
 * Spans of a service carry its own name also where many services share the process.
 */
export async function startTelemetry(env: Env, { spanProcessors = [] }: TelemetryOptions = {}): Promise<void> {
  if (running) return
  const otlp = env.OTEL_EXPORTER_OTLP_ENDPOINT ? await import('./otlp.ts') : undefined
  const keeping = [...spanProcessors, ...(otlp && env.OTEL_TRACES_EXPORTER !== 'none' ? [otlp.otlpSpans()] : [])]
  // Where only metrics are sent, spans carry their ids (for the log) and nothing else
  const sampling = keeping.length > 0 ? {} : { sampler: new AlwaysOffSampler() }
  const processors = [shielding, ...keeping]
  const provider = (name: string) => new TracerProvider({ resource: resource(name, env), spanProcessors: processors, ...sampling })
  const name = processName(env, process.argv[1])
  const own = provider(name)
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  propagation.setGlobalPropagator(new W3CTraceContextPropagator())
  trace.setGlobalTracerProvider(own)
  const prometheus = new PrometheusExporter({ preventServerStart: true })
  const sending = otlp && env.OTEL_METRICS_EXPORTER !== 'none' ? [otlp.otlpMetrics()] : []
  const meters = new MeterProvider({ resource: resource(name, env), readers: [prometheus, ...sending] })
  metrics.setGlobalMeterProvider(meters)
  const makeTracer = (service: string) =>
    (`rondo-${service}` === name ? own : provider(`rondo-${service}`)).getTracer('rondo', undefined, { schemaUrl })
  running = {
    tracers: new Map(),
    makeTracer,
    prometheus,
    shutdown: () => bounded([() => own.shutdown(), () => meters.shutdown()]),
    keepsSpans: keeping.length > 0,
  }
}

/** Measures for `/metrics` where nothing is sent anywhere; there are no traces then. */
export function startMetrics(env: Env): void {
  if (running) return
  const prometheus = new PrometheusExporter({ preventServerStart: true })
  metrics.setGlobalMeterProvider(new MeterProvider({ resource: resource(processName(env, process.argv[1]), env), readers: [prometheus] }))
  running = {
    tracers: new Map(),
    makeTracer: () => trace.getTracer('rondo'),
    prometheus,
    shutdown: async () => undefined,
    keepsSpans: false,
  }
}

/** Whether what spans say is worth finding out. */
export const keepsSpans = (): boolean => running?.keepsSpans ?? false

/** For the spans of one service. */
export function tracerOf(service: string): Tracer {
  if (!running) return trace.getTracer('rondo')
  const known = running.tracers.get(service) ?? running.makeTracer(service)
  running.tracers.set(service, known)
  return known
}

/** All that was measured, in the Prometheus text format. */
export async function metricsText(): Promise<string> {
  if (!running) return ''
  const { resourceMetrics } = await running.prometheus.collect()
  return new PrometheusSerializer().serialize(resourceMetrics)
}

/** Sends what is left, for at most a moment. Never rejects. */
export const stopTelemetry = async (): Promise<void> => running?.shutdown()
