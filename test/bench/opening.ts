import { migrate } from '@rondo/ledger'
import { openItems, stored } from './fill.ts'
import { silent } from './ledger.ts'
import { aimed, alternate, atMost, type Figure, figureOf, median } from './measure.ts'
import type { Settings } from './rows.ts'
import type { Stage } from './stage.ts'

const opensEach = 15

/** Milliseconds until the ledger is open, as its service's process opens it: migrated and with connections of its own. */
async function opened(url: string, service: string): Promise<number> {
  const times: number[] = []
  for (let n = 0; n < opensEach; n++) {
    const begin = performance.now()
    await migrate(url, { service, role: `rondo_${service}`, password: service, log: silent })
    const ledger = await openItems(url, service)
    times.push(performance.now() - begin)
    await ledger.close()
  }
  return median(times)
}

/** How long a ledger takes to open with many events in it, and with none. */
export async function openingFigures(stage: Stage, { rounds, stored: many, goOn }: Settings): Promise<readonly Figure[]> {
  const url = await stage.postgres()
  const service = await stored(url, many)
  const measured = await alternate(
    rounds,
    [
      { name: 'many', run: () => opened(url, service) },
      { name: 'empty', run: () => opened(url, 'stored_none') },
    ],
    goOn,
  )
  const control = { name: 'on an empty ledger', values: measured.get('empty') ?? [] }
  return [
    aimed(figureOf(`start of a ledger of ${many.toLocaleString('en')} events`, 'ms', measured.get('many') ?? [], control), atMost(1.2)),
  ]
}
