import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type Channels,
  type Config,
  createChannels,
  createLog,
  hashToken,
  type Running,
  readConfig,
  run,
  type Service,
} from '../src/index.ts'
import { testProtos } from './services.ts'

export interface TestRun extends Running {
  readonly channels: Channels
  readonly log: readonly Record<string, unknown>[]
}

const tokens = { developer: ['developer'], auditor: ['auditor'], reporter: ['reporter'], operator: ['operator'], admin: ['admin'] }
/** The header of a caller with one role; the tokens are named as their roles. */
export const as = (role: keyof typeof tokens) => ({ authorization: `Bearer ${role}` })

/** Services as a process would run them, on free ports. */
export async function runServices(
  services: readonly Service[],
  env: Readonly<Record<string, string>>,
  changed: Partial<Config> = {},
): Promise<TestRun> {
  const folder = await mkdtemp(join(tmpdir(), 'rondo-run-'))
  const file = join(folder, 'tokens.json')
  await writeFile(
    file,
    JSON.stringify(Object.entries(tokens).map(([name, roles]) => ({ sha256: hashToken(name), actor: `person:${name}`, roles }))),
  )
  const lines: Record<string, unknown>[] = []
  const log = createLog('info', { write: (line: string) => lines.push(JSON.parse(line) as Record<string, unknown>) })
  const config = readConfig({
    RONDO_HTTP_PORT: '0',
    RONDO_GRPC_PORT: '0',
    RONDO_TOKENS_FILE: file,
    RONDO_DATA_DIR: folder,
    RONDO_SHUTDOWN_TIMEOUT_MS: '5000',
    ...env,
  })
  const protos = testProtos()
  const running = await run(services, { ...config, ...changed }, { log, signals: false, protos })
  const channels = createChannels(protos, () => running.addresses.grpc)
  return {
    ...running,
    channels,
    log: lines,
    async stop() {
      await running.stop()
      channels.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
