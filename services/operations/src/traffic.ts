import { traffic as fact } from '@rondo/contracts/operations'
import { type Instant, stream } from '@rondo/kernel'
import type { z } from 'zod'

export type Reported = z.infer<typeof fact.reported.schema>

/** Reports are rows of the view `traffic`; here only what any order and repetition leave the same. */
export interface Traffic {
  readonly from?: Instant
  readonly to?: Instant
}

export const traffic = stream(
  'traffic',
  fact,
  {} as Traffic,
)({
  fold: 1,
  asks: {},
  tells: {
    /** Recorded each time: the view knows a repetition by its key. */
    reported: (_, report: Reported) => [fact.reported(report)],
  },
  evolve: {
    reported: (known, { from, to }) => ({
      from: known.from === undefined || from < known.from ? from : known.from,
      to: known.to === undefined || to > known.to ? to : known.to,
    }),
  },
  phase: ({ from }) => (from ? 'reported' : 'unseen'),
  keys: {},
})
