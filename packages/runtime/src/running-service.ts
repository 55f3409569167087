import type { Bus } from '@rondo/bus'
import type { Batched, Ledger, OpenLedger } from '@rondo/ledger'
import { refuseUncompared, type Starting, startCompared } from './compared.ts'
import type { Config } from './config.ts'
import { groupOf, startConsumer } from './consumer.ts'
import { openServiceLedger } from './engines.ts'
import { highWaterFile } from './high-water.ts'
import type { Logger } from './log.ts'
import type { Metrics } from './metrics.ts'
import { type ReactionTable, reactionTable } from './reaction-table.ts'
import type { Check } from './readiness.ts'
import { recordBound } from './record-bound.ts'
import { type Relaying, startRelaying } from './relaying.ts'
import type { Service } from './service.ts'
import type { Shutdown } from './shutdown.ts'
import { tracedBus } from './spans.ts'
import { keepsSpans, tracerOf } from './telemetry.ts'
import { tracedGuessing, tracedRead } from './traced-read.ts'
import { tracedSubmit } from './turn-spans.ts'
import type { Turn } from './turns.ts'

export interface RunningService {
  readonly service: Service
  readonly ledger: OpenLedger
  readonly table: ReactionTable
  /** With the service's own spans. */
  readonly bus: Bus
  readonly consumer: Starting
  readonly relay: Relaying
  readonly writes: Readonly<Writes>
  readonly checks: readonly Check[]
}

interface Parts {
  readonly service: Service
  readonly config: Config
  readonly bus: Bus
  readonly metrics: Metrics
  readonly log: Logger
  readonly shutdown: Shutdown
  /** When its ledger writes, beside those of the other services. */
  readonly turn: Turn
}

/** How the ledger writes, since the process began. */
export interface Writes {
  batches: number
  units: number
  /** Units that were lost to another writer and decided again. */
  conflicts: number
}

/** Counts batches, for the metrics and for those who ask. */
const counting =
  (writes: Writes, service: string, metrics: Metrics) =>
  ({ written, lost }: Batched): void => {
    if (written > 0) {
      writes.batches += 1
      writes.units += written
      metrics.batch.record(written, { service })
    }
    if (lost > 0) {
      writes.conflicts += lost
      metrics.conflicts.add(lost, { service })
    }
  }

/** The ledger, counted. */
function measured(ledger: OpenLedger, service: string, metrics: Metrics): OpenLedger {
  return {
    ...ledger,
    async submit(unit) {
      const origin = unit.checkpoint ? 'fact' : 'ask'
      try {
        const applied = await ledger.submit(unit)
        metrics.units.add(1, { service, origin, outcome: applied.duplicate ? 'duplicate' : 'applied' })
        const events = applied.results.reduce((sum, result) => sum + result.events.length, 0)
        if (events > 0) metrics.events.add(events, { service })
        return applied
      } catch (error) {
        const outcome = error instanceof Error && 'code' in error ? String(error.code) : 'defect'
        metrics.units.add(1, { service, origin, outcome })
        throw error
      }
    },
  }
}

function checksOf({ service, config, metrics }: Parts, ledger: Ledger, consumer: Starting, relay: Relaying): readonly Check[] {
  const { name } = service
  const variable = config.serviceDatabaseUrls[name] ? `RONDO_${name.toUpperCase()}_DATABASE_URL` : 'RONDO_DATABASE_URL'
  return [
    {
      name: `${name}/database`,
      async look() {
        try {
          await ledger.head()
          return undefined
        } catch (error) {
          return {
            cause: error instanceof Error ? error.message : String(error),
            fix: `see that PostgreSQL runs and that ${variable} leads to it; it goes on by itself`,
          }
        }
      },
    },
    {
      name: `${name}/consumer`,
      async look() {
        metrics.paused.record(consumer.paused.length, { service: name })
        if (consumer.waiting) return { cause: consumer.waiting, fix: `what "${name}/relay" names; it begins by itself` }
        const [first] = consumer.paused
        if (!first) return undefined
        const more = consumer.paused.length > 1 ? ` (and ${consumer.paused.length - 1} more)` : ''
        return {
          cause: `${first.topic}/${first.partition} stands still: ${first.reason}${more}`,
          fix: 'what the cause names; retries go on by themselves, a gap is closed by "rondo replay"',
        }
      },
    },
    {
      name: `${name}/relay`,
      async look() {
        const { state } = relay
        if (state.state === 'restored_backup')
          return { cause: state.reason, fix: `an older backup was restored: "rondo restore ${name}" raises the epoch` }
        if (state.state === 'retrying')
          return {
            cause: `events cannot be sent (tried ${state.times} times): ${state.reason}`,
            fix: `${state.fix ?? 'see that the bus runs'}; nothing is lost, it goes on by itself`,
          }
        await relay.delayMs()
        return undefined
      },
    },
    {
      name: `${name}/parked`,
      async look() {
        const keys = await ledger.parkedKeys()
        metrics.parked.record(keys.length, { service: name })
        const [first] = keys
        if (!first) return undefined
        const cause = `${keys.length} keys are parked, the oldest ${first.key} of ${first.source} since ${first.since}: ${first.reason}`
        return { cause, fix: 'retry or skip the records behind the key; all other keys go on', blocks: false }
      },
    },
  ]
}

/** Opens the ledger and sets everything going that needs no caller: relay, reactions, timers. */
export async function startService(parts: Parts): Promise<RunningService> {
  const { service, config, metrics, log, shutdown } = parts
  const publicUrl = config.publicUrl ?? `http://127.0.0.1:${config.httpPort}`
  const writes: Writes = { batches: 0, units: 0, conflicts: 0 }
  const opened = await openServiceLedger(service, config, log, {
    ...parts.turn,
    onBatch: counting(writes, service.name, metrics),
    record: await recordBound(parts.bus, { service: service.name, partitions: config.partitions }, log),
  })
  const counted = measured(opened, service.name, metrics)
  shutdown.add(`${service.name} ledger`, () => counted.close())
  const spanning = {
    tracer: tracerOf(service.name),
    service: service.name,
    group: groupOf(service.name),
    system: config.kafkaBrokers ? 'kafka' : 'postgresql',
    publicUrl,
  }
  const bus = keepsSpans() ? tracedBus(parts.bus, spanning) : parts.bus
  const relay = startRelaying(service.name, counted, bus, metrics, await highWaterFile(service.name, counted, config, log))
  shutdown.add(`${service.name} relay`, () => relay.stop())
  const submit = refuseUncompared(tracedSubmit(counted, publicUrl), relay)
  const ledger = {
    ...counted,
    read: tracedRead(counted.read),
    guessing: (asker: string) => tracedGuessing(counted.guessing(asker)),
    submit,
  }
  const table = reactionTable(service)
  const begin = () => {
    ledger.startTimers()
    return startConsumer({ service, table, ledger, bus, log, metrics, spanning })
  }
  const consumer = await startCompared(relay, begin, log)
  shutdown.add(`${service.name} consumer`, () => consumer.stop())
  return { service, ledger, table, bus, consumer, relay, writes, checks: checksOf(parts, ledger, consumer, relay) }
}
