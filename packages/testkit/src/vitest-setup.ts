import type { TestProject } from 'vitest/node'
import type { Engines } from './engine.ts'
import { describeEngines } from './find.ts'
import { startRunEngines } from './run-engines.ts'

declare module 'vitest' {
  interface ProvidedContext {
    rondoEngines: Engines
    rondoRunFolder: string
  }
}

/** Vitest's globalSetup of the integration tests: the engines are found or started once for the run and stopped at its end. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { engines, folder, stop } = await startRunEngines()
  process.stderr.write(`${describeEngines(engines)}\n`)
  project.provide('rondoEngines', engines)
  project.provide('rondoRunFolder', folder)
  return stop
}
