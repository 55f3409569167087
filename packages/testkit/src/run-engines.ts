import { type Engines, isMissing } from './engine.ts'
import { findEngines } from './find.ts'
import { createRunFolder, removeLeftovers, removeRunFolder } from './run-folder.ts'

interface RunEngines {
  readonly engines: Engines
  /** What was started for this run keeps its data, logs and process ids here. */
  readonly folder: string
  /** Stops what was started, and removes the folder. */
  readonly stop: () => Promise<void>
}

/** The engines of a run of tests: found or started once, and gone when the process is, however it ends. */
export async function startRunEngines(): Promise<RunEngines> {
  removeLeftovers()
  const folder = createRunFolder()
  const sweep = () => removeRunFolder(folder)
  process.once('exit', sweep)
  const { engines, stop } = await findEngines(folder)
  return {
    engines,
    folder,
    stop: async () => {
      await stop()
      process.off('exit', sweep)
      sweep()
    },
  }
}

/** By which another run, of another tree, finds those that may be shared with it: what PostgreSQL holds of one tree (templates) is not another's. */
export function variablesOf({ kafka, redis }: Engines): Readonly<Record<string, string>> {
  const named = { RONDO_TEST_KAFKA_BROKERS: kafka, RONDO_TEST_REDIS_URL: redis }
  return Object.fromEntries(Object.entries(named).flatMap(([name, engine]) => (isMissing(engine) ? [] : [[name, engine.address] as const])))
}
