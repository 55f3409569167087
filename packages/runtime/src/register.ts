// For `node --import`: sets up traces and metrics before anything else is loaded.
import { instrument } from './instrumentation.ts'
import { startTelemetry } from './telemetry.ts'

startTelemetry(process.env)
instrument()
