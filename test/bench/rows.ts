import { serviceNames } from '@rondo/runtime'
import { consumeFigures } from './consume.ts'
import { edgeFigures } from './edge.ts'
import { emmettFigures } from './emmett.ts'
import { allInOneFigures, serviceFigures } from './footprint.ts'
import { hotStreamFigures } from './hot-stream.ts'
import { idleFigures } from './idle.ts'
import { intakeFigures } from './intake.ts'
import { ledgerFigures } from './ledger.ts'
import type { Figure } from './measure.ts'
import { openingFigures } from './opening.ts'
import { overloadFigures } from './overload.ts'
import { rebuildFigures } from './rebuild.ts'
import { replicaFigures } from './replicas.ts'
import { allInOne, type Stage } from './stage.ts'
import { growthFigures } from './stored.ts'

export interface Settings {
  readonly rounds: number
  /** Events of the large ledgers. */
  readonly stored: number
  /** Events that a process takes before its memory is looked at. */
  readonly events: number
  /** Calls in a second that are more than can be taken; undefined: three times the saturating rate. */
  readonly offered: number | undefined
  /** Whether an outside event store without a licence may be fetched for its row. */
  readonly emmett: boolean
  /** False when the time is over: what runs ends its round. */
  readonly goOn: () => boolean
}

export interface Row {
  /** What `--only` is held against. */
  readonly name: string
  /** Seconds that five rounds of it take about: its share of the time that there is. */
  readonly seconds: number
  readonly figures: (stage: Stage, settings: Settings) => Promise<readonly Figure[]> | readonly Figure[]
}

async function footprint(stage: Stage): Promise<readonly Figure[]> {
  const token = await stage.token()
  // Its own database first, so that the start-up is that of an existing one
  await stage.withRondo(allInOne, async () => undefined)
  const whole = await stage.withRondo(allInOne, (rondo) => allInOneFigures(rondo, token, 10))
  return [...whole, ...(await serviceFigures(serviceNames, await stage.env(), token, 10))]
}

/** In the order in which they are run. */
export const rows: readonly Row[] = [
  { name: 'ledger', seconds: 75, figures: async (stage, { rounds, goOn }) => ledgerFigures(await stage.postgres(), rounds, goOn) },
  { name: 'hot-stream', seconds: 30, figures: async (stage, { rounds, goOn }) => hotStreamFigures(await stage.postgres(), rounds, goOn) },
  { name: 'emmett', seconds: 40, figures: async (stage, settings) => emmettFigures(stage.folder, await stage.postgres(), settings) },
  { name: 'consume', seconds: 50, figures: (stage, { rounds, goOn }) => consumeFigures(stage, rounds, goOn) },
  { name: 'alert', seconds: 200, figures: edgeFigures },
  { name: 'stored', seconds: 80, figures: growthFigures },
  { name: 'rebuild', seconds: 40, figures: rebuildFigures },
  { name: 'start', seconds: 15, figures: openingFigures },
  { name: 'idle', seconds: 60, figures: idleFigures },
  { name: 'overload', seconds: 50, figures: overloadFigures },
  { name: 'footprint', seconds: 80, figures: footprint },
  { name: 'replicas', seconds: 190, figures: replicaFigures },
  // Last: what the edge takes without the services beside it, they have to read when they start
  { name: 'intake', seconds: 130, figures: (stage, { rounds, goOn }) => intakeFigures(stage, rounds, goOn) },
]
