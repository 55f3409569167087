import type { Bus } from '@rondo/bus'
import { topicOf, toRecord } from '@rondo/contracts/cloudevents'
import { millis } from '@rondo/kernel'
import { isOlderCopy, type OpenLedger, type RelayOptions, type RelayState, raiseEpoch, startRelay } from '@rondo/ledger'
import type { Metrics } from './metrics.ts'

export interface Relaying {
  readonly state: RelayState
  /** Resolves when it was seen that the ledger is no older copy of what was sent (or another process sends). Does not resolve before. */
  readonly compared: Promise<void>
  readonly isCompared: boolean
  /** Resolves when the first look found something else. */
  readonly hindered: Promise<void>
  /** Age of the oldest event that the bus does not have yet, in milliseconds; 0: it has all. */
  delayMs(): Promise<number>
  /** Whether what was sent shows, now, that the ledger is an older copy. */
  isOlderCopy(): Promise<boolean>
  /** What is recorded from now on belongs to a new epoch, which is resolved with. */
  raiseEpoch(): Promise<number>
  stop(): Promise<void>
}

/** Sends what the service records to its topic. */
export function startRelaying(
  service: string,
  ledger: OpenLedger,
  bus: Bus,
  metrics: Metrics,
  highWaterFile: string | undefined,
): Relaying {
  let sentTo = 0
  let isCompared = false
  const compared = Promise.withResolvers<void>()
  const hindered = Promise.withResolvers<void>()
  const options: RelayOptions = {
    database: ledger.database,
    onCommit: (listener) => ledger.onCommit(listener),
    join: ledger.join,
    bus,
    topic: topicOf(service),
    encode: toRecord,
    ...(highWaterFile ? { highWaterFile } : {}),
    onSent({ count, last }) {
      sentTo = last.position
      metrics.relayed.add(count, { service })
      metrics.relayDelay.record(Math.max(0, (Date.now() - millis(last.recordedAt)) / 1000), { service })
    },
    onState(state) {
      if (state.state === 'running' || state.state === 'standby' || (state.state === 'retrying' && state.compared)) {
        isCompared = true
        compared.resolve()
      } else hindered.resolve()
      if (state.state !== 'running') return
      sentTo = Math.max(sentTo, state.position)
      metrics.relayDelay.record(0, { service })
    },
  }
  const relay = startRelay(options)
  return {
    get state() {
      return relay.state
    },
    compared: compared.promise,
    hindered: hindered.promise,
    get isCompared() {
      return isCompared
    },
    async delayMs() {
      // What was sent is not known yet; or another process has the lease, and its own status tells
      if (relay.state.state === 'starting' || relay.state.state === 'standby') return 0
      const [oldest] = await ledger.events(sentTo, 1)
      const delay = oldest ? Math.max(0, Date.now() - millis(oldest.recordedAt)) : 0
      metrics.relayDelay.record(delay / 1000, { service })
      return delay
    },
    isOlderCopy: () => isOlderCopy(options),
    raiseEpoch: () => raiseEpoch(options),
    stop: () => relay.stop(),
  }
}
