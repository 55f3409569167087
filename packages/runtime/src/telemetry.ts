import { metrics } from '@opentelemetry/api'
import { PrometheusExporter, PrometheusSerializer } from '@opentelemetry/exporter-prometheus'
import { MeterProvider } from '@opentelemetry/sdk-metrics'

let exporter: PrometheusExporter | undefined

/** Measures, for `/metrics`, unless `register.ts` has set up the whole of telemetry before. */
export function startMetrics(): void {
  if (exporter) return
  exporter = new PrometheusExporter({ preventServerStart: true })
  metrics.setGlobalMeterProvider(new MeterProvider({ readers: [exporter] }))
}

/** All that was measured, in the Prometheus text format. */
export async function metricsText(): Promise<string> {
  if (!exporter) return ''
  const { resourceMetrics } = await exporter.collect()
  return new PrometheusSerializer().serialize(resourceMetrics)
}
