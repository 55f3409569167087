import { DomainError } from '@rondo/kernel'
import type { OpenLedger } from '@rondo/ledger'
import type { RunningConsumer } from './consumer.ts'
import type { Logger } from './log.ts'
import type { Relaying } from './relaying.ts'

/** What takes positions in the ledger by itself, once it may. */
export interface Starting extends RunningConsumer {
  /** Why nothing is read yet; undefined: it is. */
  readonly waiting: string | undefined
}

const uncertain = 'it is not known yet whether an older backup was restored'

/**
 * Nothing is read before the relay has compared the ledger with what was sent: what an older copy records takes positions that others have
 * seen already, with another content. Resolves when it may read, or when the first look has found why it may not; it then begins by itself.
 * Nobody who asks waits for the group: after a crash it holds the place of the member that is gone for ten seconds.
 */
export async function startCompared(relay: Relaying, start: () => Promise<RunningConsumer>, log: Logger): Promise<Starting> {
  let consumer: RunningConsumer | undefined
  let waiting: string | undefined = uncertain
  let stopped = false
  const starting = relay.compared.then(async () => {
    if (stopped) return
    waiting = undefined
    consumer = await start()
    if (stopped) await consumer.stop()
  })
  await Promise.race([relay.compared, relay.hindered])
  // From here on nobody waits for it
  starting.catch((error: unknown) => {
    waiting = `reading did not begin: ${error instanceof Error ? error.message : String(error)}`
    log.error({ err: error }, 'reading did not begin')
  })
  return {
    get waiting() {
      return waiting
    },
    get paused() {
      return consumer?.paused ?? []
    },
    get lag() {
      return consumer?.lag ?? 0
    },
    resume: (topic, partition) => consumer?.resume(topic, partition),
    async stop() {
      stopped = true
      // Who still waits for its group is stopped with the bus
      await consumer?.stop()
    },
  }
}

/** Refuses what would be recorded in a ledger that is an older copy, or may be one. */
export function refuseUncompared(submit: OpenLedger['submit'], relay: Pick<Relaying, 'state' | 'isCompared'>): OpenLedger['submit'] {
  return async (unit) => {
    const { state } = relay
    if (state.state === 'restored_backup')
      throw new DomainError('unavailable', `nothing is recorded until this is settled: ${state.reason}`)
    if (!relay.isCompared) throw new DomainError('unavailable', `${uncertain}: try again`)
    return submit(unit)
  }
}
