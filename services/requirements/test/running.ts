import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadProtos } from '@rondo/proto'
import { type Channels, createChannels, createLog, hashToken, type Running, readConfig, run, type Service } from '@rondo/runtime'

/** The header of a caller with one role; the tokens are named as their roles, `ci` is a machine's. */
export const as = (role: 'product_owner' | 'reporter' | 'operator' | 'auditor' | 'ci') => ({ authorization: `Bearer ${role}` })
const tokens = [
  ...['product_owner', 'reporter', 'operator', 'auditor'].map((role) => ({
    sha256: hashToken(role),
    actor: `person:${role}`,
    roles: [role],
  })),
  { sha256: hashToken('ci'), actor: 'service:ci', roles: ['product_owner'] },
]

export interface TestRun extends Running {
  readonly channels: Channels
  readonly log: readonly string[]
}

/** Services as a process would run them, on free ports. */
export async function running(services: readonly Service[], databaseUrl: string): Promise<TestRun> {
  const folder = await mkdtemp(join(tmpdir(), 'rondo-run-'))
  const file = join(folder, 'tokens.json')
  await writeFile(file, JSON.stringify(tokens))
  const lines: string[] = []
  const log = createLog('info', { write: (line: string) => lines.push(line) })
  const env = {
    RONDO_HTTP_PORT: '0',
    RONDO_GRPC_PORT: '0',
    RONDO_TOKENS_FILE: file,
    RONDO_DATA_DIR: folder,
    RONDO_SHUTDOWN_TIMEOUT_MS: '5000',
    RONDO_DATABASE_URL: databaseUrl,
  }
  const started = await run(services, readConfig(env), { log, signals: false })
  const channels = createChannels(await loadProtos(), () => started.addresses.grpc)
  return {
    ...started,
    channels,
    log: lines,
    async stop() {
      channels.close()
      await started.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
