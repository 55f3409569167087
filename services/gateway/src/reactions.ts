import * as intake from '@rondo/contracts/intake'
import { type Envelope, type FactType, tell } from '@rondo/kernel'
import { when } from '@rondo/reaction'
import { refusal } from './refusal.ts'

/** All other intake is read for its receipt alone: that it was read, and how often, stands in the ledger under its id. */
export const remembers = Object.values(intake)
  .flatMap((table): readonly FactType[] => Object.values(table))
  .filter(({ base }) => base !== intake.item.refused.base)

export const reactions = [when(intake.item.refused, ({ id, data }) => [tell(refusal, id, 'recorded', data)])]

/** (source, id) again with another content: the first stands, this one is listed. The position makes each its own. */
export const conflicted = (event: Envelope) => [
  tell(refusal, `${event.id}/${event.partition}/${event.position}`, 'conflicted', {
    source: sourceOf(event.data),
    id: event.id,
    raw: JSON.stringify(event.data).slice(0, 65_536),
  }),
]

const sourceOf = (data: unknown): string =>
  data && typeof data === 'object' && 'source' in data && typeof data.source === 'string' ? data.source : 'unknown'
