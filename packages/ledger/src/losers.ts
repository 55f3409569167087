import { DomainError } from '@rondo/kernel'
import { type Batch, type LostKey, type Outcome, parkedName, uniqueName, type Work } from './batch.ts'
import { derive } from './derived.ts'
import { NotParked } from './failure.ts'
import { chainOf } from './load.ts'
import type { Unit } from './port.ts'
import { keyOf } from './storage.ts'
import type { Lost } from './store.ts'

const maxTries = 8

/** Why a unit cannot simply be decided again; undefined: it can. */
export type Loss = LostKey | NotParked | undefined

/** Whose decision rests on something that was lost; and who follows them in their partition. */
export function losersOf<W extends Work>(works: readonly W[], batch: Batch, lost: Lost): ReadonlyMap<W, Loss> {
  const streams = new Set(lost.streams?.map(([stream, id]) => keyOf(stream, id)))
  const messages = new Set(lost.messages)
  const chains = new Set(lost.checkpoints?.map(([source, partition]) => chainOf({ source, partition })))
  const timers = new Set(lost.timers?.map((timer) => timer.join(' ')))
  const keys = new Map(lost.keys?.map(([stream, name, value, holder]) => [uniqueName({ stream, name, value }), { name, value, holder }]))
  const gone = new Set(lost.parked?.map(([source, partition, key, position]) => parkedName({ source, partition, key, position })))
  const losers = new Map<W, Loss>()
  const claimants = new Set<LostKey>()
  works.forEach((work, index) => {
    const { unit, timer } = work
    const chain = unit.checkpoint && chainOf(unit.checkpoint)
    const key = claimed(batch.outcomes[index], keys)
    const isGone = unit.parked !== undefined && gone.has(parkedName(unit.parked))
    const isLost =
      key !== undefined ||
      isGone ||
      unit.messages.some(({ stream, id }) => streams.has(keyOf(stream.name, id))) ||
      messages.has(unit.id) ||
      (messages.size > 0 && unit.noted?.some(({ id }) => messages.has(id))) ||
      (chain !== undefined && chains.has(chain)) ||
      (timer !== undefined && timers.has([timer.stream, timer.stream_id, timer.tell, timer.due].join(' ')))
    if (!isLost) return
    // Who follows the claimant on its stream only rests on it, and is decided again without it
    const claim = key && !claimants.has(key) ? key : undefined
    losers.set(work, unit.parked && isGone ? new NotParked(unit.parked) : claim)
    if (key) claimants.add(key)
    if (chain !== undefined) chains.add(chain)
  })
  return losers
}

function claimed(outcome: Outcome | undefined, keys: ReadonlyMap<string, LostKey>): LostKey | undefined {
  if (keys.size === 0 || outcome?.kind !== 'applied') return undefined
  return [...outcome.decision.drafts.values()]
    .flatMap((draft) => derive(draft.stream, draft.id, draft).keys)
    .flatMap((key) => (key.is_unique && keys.get(uniqueName(key))) || [])
    .find(({ holder }) => holder !== '')
}

/** The unit as it is decided next time; who lost a unique key reads again first. Throws when it was lost too often, or what it retries is gone. */
export async function renewed(unit: Unit, tries: number, key: Loss): Promise<Unit> {
  if (key instanceof NotParked) throw key
  if (key && (!unit.again || tries > maxTries)) {
    throw new DomainError('already_exists', `${key.name} "${key.value}" is held by ${key.holder}`, { key: key.name, holder: key.holder })
  }
  if (tries > maxTries) throw new DomainError('conflict', `${unit.id} was decided ${maxTries} times and others were faster each time`)
  return unit.again ? { ...unit, messages: await unit.again() } : unit
}
