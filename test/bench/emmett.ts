import { randomUUID } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { run } from '@rondo/testkit/command'
import { add, noteText, openNotes, rate } from './ledger.ts'
import { type Aim, aimed, alternate, atLeast, type Figure, figureOf, unmeasured } from './measure.ts'

const [store, version] = ['@event-driven-io/emmett-postgresql', '0.42.0']
const why = `only with --emmett: neither ${store} nor its repository has a licence, so it is no dependency here; the row fetches ${version} into a folder of its own, and throws it away`

const lines: readonly { readonly callers: number; readonly who: string; readonly aim: Aim }[] = [
  { callers: 256, who: '256 callers', aim: atLeast(6) },
  { callers: 1, who: '1 caller', aim: atLeast(1.5) },
]
const titleOf = (who: string): string => `ledger beside Emmett's PostgreSQL event store, ${who}`

/** What is used of it. */
interface Emmett {
  readonly getPostgreSQLEventStore: (url: string) => {
    appendToStream(stream: string, events: readonly { readonly type: string; readonly data: object }[]): Promise<object>
    readonly schema: { migrate(): Promise<object> }
    close(): Promise<void>
  }
}

function isEmmett(loaded: unknown): loaded is Emmett {
  return typeof loaded === 'object' && loaded !== null && 'getPostgreSQLEventStore' in loaded
}

async function fetched(folder: string): Promise<Emmett> {
  const own = join(folder, 'emmett')
  await mkdir(own)
  await writeFile(join(own, 'package.json'), '{ "private": true, "type": "module" }')
  await run('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error', `${store}@${version}`], { cwd: own })
  const loaded: unknown = await import(pathToFileURL(createRequire(join(own, 'package.json')).resolve(store)).href)
  if (!isEmmett(loaded)) throw new TypeError(`${store}@${version} has no getPostgreSQLEventStore`)
  return loaded
}

interface Asked {
  /** Whether it may be fetched. */
  readonly emmett: boolean
  readonly rounds: number
  readonly goOn: () => boolean
}

/** The same events, each in a stream of its own, by the store's own append with the connections that it opens by itself. */
export async function emmettFigures(folder: string, url: string, { emmett, rounds, goOn }: Asked): Promise<readonly Figure[]> {
  if (!emmett) return lines.map(({ who, aim }) => unmeasured(titleOf(who), 'messages/s', `not measured: ${why}`, aim))
  const other = (await fetched(folder)).getPostgreSQLEventStore(url)
  await other.schema.migrate()
  const ledger = await openNotes(url)
  const figures: Figure[] = []
  for (const { callers, who, aim } of lines) {
    const append = async () => {
      await other.appendToStream(`note-${randomUUID()}`, [{ type: 'added', data: { text: noteText } }])
      return 1
    }
    const contenders = [
      { name: 'rondo', run: () => rate(callers, () => add(ledger, randomUUID())) },
      { name: 'emmett', run: () => rate(callers, append) },
    ]
    const measured = await alternate(rounds, contenders, goOn)
    const control = { name: `Emmett ${version}`, values: measured.get('emmett') ?? [] }
    figures.push(aimed(figureOf(titleOf(who), 'messages/s', measured.get('rondo') ?? [], control), aim))
  }
  await Promise.all([ledger.close(), other.close()])
  return figures
}
