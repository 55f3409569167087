// For `node --import`: before anything else is loaded, compiled code of earlier starts is put to use (half the work until ready),
// and, where they are sent somewhere, traces and metrics are set up. Plain JavaScript on purpose: what takes types away would else be loaded for this file alone.
import { enableCompileCache } from 'node:module'
import { fileURLToPath } from 'node:url'

// Where the folder cannot be written, everything is compiled as ever
enableCompileCache(fileURLToPath(new URL('../node_modules/.cache/compiled', import.meta.url)))
// Without anybody who takes them spans would be made for nothing: a tenth of an alert's time
if (process.env.OTEL_EXPORTER_OTLP_ENDPOINT) {
  const [{ instrument }, { startTelemetry }] = await Promise.all([import('./instrumentation.ts'), import('./telemetry.ts')])
  await startTelemetry(process.env)
  instrument()
}
