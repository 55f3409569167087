import type { Config, Service } from '../src/index.ts'
import { runServices as run, type ServicesRun } from '../src/rig.ts'
import { testProtos } from './services.ts'

export interface TestRun extends Omit<ServicesRun, 'log'> {
  readonly log: readonly Record<string, unknown>[]
}

/** With the test's own protos, and the log as what its lines say. */
export async function runServices(
  services: readonly Service[],
  env: Readonly<Record<string, string>>,
  changed: Partial<Config> = {},
): Promise<TestRun> {
  const log: Record<string, unknown>[] = []
  const heard = (line: string) => log.push(JSON.parse(line) as Record<string, unknown>)
  return { ...(await run(services, { env, changed, protos: testProtos(), heard })), log }
}
