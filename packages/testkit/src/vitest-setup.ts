import type { TestProject } from 'vitest/node'
import type { Engines } from './engine.ts'
import { describeEngines, findEngines } from './find.ts'
import { createRunFolder, removeLeftovers, removeRunFolder } from './run-folder.ts'

declare module 'vitest' {
  interface ProvidedContext {
    rondoEngines: Engines
    rondoRunFolder: string
  }
}

/** Vitest's globalSetup of the integration tests: the engines are found or started once for the run and stopped at its end. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  removeLeftovers()
  const folder = createRunFolder()
  const sweep = () => removeRunFolder(folder)
  process.once('exit', sweep)
  const { engines, stop } = await findEngines(folder)
  process.stderr.write(`${describeEngines(engines)}\n`)
  project.provide('rondoEngines', engines)
  project.provide('rondoRunFolder', folder)
  return async () => {
    await stop()
    process.off('exit', sweep)
    sweep()
  }
}
