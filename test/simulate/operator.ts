import { DomainError } from '@rondo/kernel'
import { retryParked, skipParked } from '@rondo/runtime/operator'
import type { Application } from './application.ts'
import { isPoison } from './services.ts'
import type { World } from './world.ts'

const by = { actor: 'person:operator', why: 'simulated' }

/** Looks at each parked key once: leaves out what cannot be applied, and tries the rest again. */
export async function operate(world: World, { tally: ledger, program }: Application): Promise<void> {
  const running = { service: program.tally, ledger, table: program.table }
  try {
    for (const key of await ledger.parkedKeys()) {
      const waiting = await ledger.parkedRecords(key)
      const [oldest] = waiting
      if (!oldest) continue
      if (isPoison(oldest.event.data)) await skipParked(running, key, by)
      else await retryParked(running, key, by)
      world.tell(`an operator has ${isPoison(oldest.event.data) ? 'left out' : 'tried again'} ${oldest.event.id} of ${key.key}`)
    }
  } catch (error) {
    // Somebody else was faster, or something is away: the next look finds what is left
    if (!(error instanceof DomainError)) throw error
    world.tell(`an operator was refused: ${error.code}`)
  }
}
