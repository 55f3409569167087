import { chmodSync, mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { freemem, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { StartError as EmbeddedError, startPostgres } from '@rondo/embedded'
import { type Config, createLog, type Running, readConfig, run } from '@rondo/runtime'
import { destination } from 'pino'
import { firstToken } from './first-token.ts'
import { services } from './services.ts'
import { upgradingOf } from './upgrading.ts'
import { welcome } from './welcome.ts'

const usage = `npm start -- [--ephemeral] [--verbose]

  --ephemeral   data in a temporary folder that is removed at the end
  --verbose     the log on the terminal instead of in a file
`

const say = (text: string) => process.stderr.write(`${text}\n`)

/** Warns, never refuses: what is too little for one is enough for another. */
function warnings(dataDir: string): string[] {
  const disk = statfsSync(dataDir)
  return [
    ...(freemem() < 400e6 ? [`only ${Math.round(freemem() / 1e6)} MB of memory are free; Rondo takes about 300 MB`] : []),
    ...(disk.bavail * disk.bsize < 500e6
      ? [`only ${Math.round((disk.bavail * disk.bsize) / 1e6)} MB are free on the disk of ${dataDir}`]
      : []),
  ]
}

async function engines(config: Config) {
  if (config.databaseUrl) return { config, database: 'as RONDO_DATABASE_URL says', close: async () => undefined }
  say('  starting PostgreSQL …')
  const postgres = await startPostgres(config.dataDir, { upgrading: upgradingOf(config, (text) => say(`  ${text}`)) })
  if (postgres.adopted) say('  found the PostgreSQL of an instance that was killed: going on with it')
  return {
    config: { ...config, databaseUrl: postgres.url },
    database: `PostgreSQL in ${config.dataDir} (embedded)`,
    close: () => postgres.stop(),
  }
}

interface Starting {
  readonly verbose: boolean
  readonly isEphemeral: boolean
  readonly close: () => void
}

async function started(given: Config, { verbose, isEphemeral, close }: Starting): Promise<Running> {
  const begin = performance.now()
  const { config, database, close: closeEngines } = await engines(given)
  const closeLast = async () => {
    await closeEngines()
    close()
  }
  const logFile = join(config.dataDir, 'rondo.log')
  await firstToken(config.dataDir)
  for (const warning of warnings(config.dataDir)) say(`  warning: ${warning}`)
  say('  starting the services …')
  const log = verbose ? createLog(config.logLevel) : createLog(config.logLevel, destination({ dest: logFile, sync: false, mkdir: true }))
  const running = await run(services, config, { log, closeLast })
  const bus = config.kafkaBrokers ? `Kafka at ${config.kafkaBrokers.join(', ')}` : 'on PostgreSQL'
  say(
    welcome(running.addresses, config.dataDir, {
      log: verbose ? 'this terminal' : logFile,
      database,
      bus,
      startedMs: performance.now() - begin,
      isEphemeral,
    }),
  )
  return running
}

/** PostgreSQL, which is another user where root starts it, has to pass through. */
function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'rondo-'))
  chmodSync(folder, 0o755)
  return folder
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      ephemeral: { type: 'boolean', default: false },
      verbose: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) {
    process.stdout.write(usage)
    return
  }
  const temporary = values.ephemeral ? temporaryFolder() : undefined
  const config = readConfig({ ...process.env, ...(temporary ? { RONDO_DATA_DIR: temporary } : {}) })
  const running = await started(
    { ...config, dataDir: resolve(config.dataDir) },
    {
      verbose: values.verbose,
      isEphemeral: values.ephemeral,
      close: () => temporary && rmSync(temporary, { recursive: true, force: true }),
    },
  )
  await running.stopped
  say('  stopped')
}

try {
  await main()
} catch (error) {
  const known =
    error instanceof EmbeddedError ||
    (error instanceof Error && /^(StartError|ConfigError|MigrationError|TypeError \[ERR_PARSE)/.test(error.name))
  say(known && error instanceof Error ? `\n  ${error.message}\n` : error instanceof Error ? (error.stack ?? error.message) : String(error))
  process.exitCode = 1
  // What a library left open must not keep a process that never started
  setTimeout(() => process.exit(), 1000).unref()
}
