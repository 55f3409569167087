import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { chmod } from 'node:fs/promises'
import { cpus, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startPostgres } from '@rondo/embedded'
import { addToken, newToken, serviceNames } from '@rondo/runtime'
import { launchAll } from '@rondo/testkit/launch'
import { repositoryRoot } from '@rondo/testkit/shared'
import { edgeFigures } from './edge.ts'
import { allInOneFigures, serviceFigures } from './footprint.ts'
import { ledgerFigures } from './ledger.ts'
import type { Figure } from './measure.ts'
import { startProcess } from './process.ts'

const usage = `npm run bench -- [--rounds N] [--json FILE] [--write]

Figures beside their controls, in turn, in one run; on a PostgreSQL and a Kafka of its own.

  --rounds N    rounds of each figure (default 5)
  --json FILE   the figures as JSON
  --write       the figures into docs/performance.md
`

const say = (text: string) => process.stderr.write(`${text}\n`)
const shown = (value: number) => (value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(1))

function table(figures: readonly Figure[]): string {
  const row = ({ figure, unit, value, control, ratio, spread, note }: Figure) =>
    `| ${figure} | ${shown(value)} ${unit} | ${spread[0] === spread[1] ? '' : `${shown(spread[0])} to ${shown(spread[1])}`} | ${control ? `${shown(control.value)} (${control.name})` : ''} | ${ratio === undefined ? '' : ratio.toFixed(2)} | ${note ?? ''} |`
  return ['| figure | median | spread | control in the same run | ratio | |', '|---|---|---|---|---|---|', ...figures.map(row), ''].join(
    '\n',
  )
}

async function measured(folder: string, rounds: number): Promise<readonly Figure[]> {
  const postgres = await startPostgres(folder)
  const { engines, end } = await launchAll(['kafka'])
  try {
    say('ledger …')
    const ledger = await ledgerFigures(postgres.url, rounds)
    const token = newToken()
    await addToken(join(folder, 'tokens.json'), token, { actor: 'person:bench', roles: ['admin'] })
    const env = { RONDO_DATABASE_URL: postgres.url, RONDO_KAFKA_BROKERS: engines.kafka.address, RONDO_DATA_DIR: folder }
    const first = await startProcess('services/all-in-one/src/main.ts', env)
    await first.stop()
    say('edge …')
    const rondo = await startProcess('services/all-in-one/src/main.ts', env)
    const edge = await edgeFigures(rondo, engines.kafka.address, token, 200)
    say('footprint …')
    const footprint = await allInOneFigures(rondo, token, 20)
    await rondo.stop()
    say('services …')
    const services = await serviceFigures(serviceNames, env, token, 10)
    return [...ledger, ...edge, ...footprint, ...services]
  } finally {
    await end()
    await postgres.stop()
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '5' },
      json: { type: 'string' },
      write: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) return void process.stdout.write(usage)
  const folder = mkdtempSync(join(tmpdir(), 'rondo-bench-'))
  await chmod(folder, 0o755)
  try {
    const figures = await measured(folder, Number(values.rounds))
    const text = table(figures)
    process.stdout.write(text)
    if (values.json) writeFileSync(values.json, `${JSON.stringify({ figures }, null, 2)}\n`)
    const machine = `${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'}), ${Math.round(totalmem() / 2 ** 30)} GB, Node ${process.version}, PostgreSQL 18, Kafka 4.4, ${new Date().toISOString().slice(0, 10)}`
    if (values.write)
      writeFileSync(
        join(repositoryRoot(), 'docs', 'performance.md'),
        `# Performance\n\nMeasured by \`npm run bench\` on a shared machine of ${machine}. Read the ratios: absolute figures differ from machine to machine by a factor of two and more.\n\n${text}`,
      )
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

await main()
process.exit()
