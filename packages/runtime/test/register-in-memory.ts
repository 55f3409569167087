// As src/register.mjs, and keeps the spans for `telemetry-child.ts` to look at.
import { InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace'
import { instrument } from '../src/instrumentation.ts'
import { startTelemetry } from '../src/telemetry.ts'

export const exporter = new InMemorySpanExporter()
await startTelemetry(process.env, { spanProcessors: [new SimpleSpanProcessor({ exporter })] })
instrument()
