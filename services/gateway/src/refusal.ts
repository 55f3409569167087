import { refusal as fact } from '@rondo/contracts/gateway'
import { stream } from '@rondo/kernel'

export interface Refusal {
  readonly source?: string
  readonly delivery?: string
  readonly code?: string
  readonly path?: string
  readonly reason?: string
  readonly raw?: string
  readonly at?: string
}

interface Refused {
  readonly source: string
  readonly delivery: string
  readonly code: string
  readonly path: string
  readonly reason: string
  readonly raw: string
}

/** What was refused of a delivery whose other parts were taken; kept to be shown and mended. */
export const refusal = stream(
  'refusal',
  fact,
  {} as Refusal,
)({
  fold: 1,
  asks: {},
  tells: {
    recorded: (known, refused: Refused) => (known.code ? [] : [fact.recorded(refused)]),
    conflicted: (known, conflict: { source: string; id: string; raw: string }) => (known.code ? [] : [fact.conflicted(conflict)]),
  },
  evolve: {
    recorded: (_, refused, { at }) => ({ ...refused, at }),
    conflicted: (_, { source, id, raw }, { at }) => ({
      source,
      delivery: id,
      code: 'id_reused',
      path: 'id',
      reason: `(${source}, ${id}) was seen before with another content, which stands: a new event needs a new id`,
      raw,
      at,
    }),
  },
  keys: { source: ({ source }) => (source ? [source] : []) },
})
