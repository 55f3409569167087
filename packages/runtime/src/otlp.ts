// Loaded only where somebody takes what it sends: it is a tenth of all that a process loads.
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-proto'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import { PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics'
import { BatchSpanProcessor } from '@opentelemetry/sdk-trace'

export const otlpSpans = (): BatchSpanProcessor => new BatchSpanProcessor({ exporter: new OTLPTraceExporter() })
export const otlpMetrics = (): PeriodicExportingMetricReader => new PeriodicExportingMetricReader({ exporter: new OTLPMetricExporter() })
