import { trace } from '@opentelemetry/api'
import type { Bus } from '@rondo/bus'
import { modelBus } from '@rondo/bus/model'
import { type OpenLedger, openLedgerOn } from '@rondo/ledger'
import { modelStore } from '@rondo/ledger/model'
import { refuseUncompared, startCompared } from '@rondo/runtime/compared'
import { startConsumer } from '@rondo/runtime/consumer'
import { createLog } from '@rondo/runtime/log'
import { createMetrics } from '@rondo/runtime/metrics'
import { type Relaying, startRelaying } from '@rondo/runtime/relaying'
import type { Process } from './process.ts'
import { type Program, programs } from './services.ts'
import type { World } from './world.ts'

const log = createLog('silent')
const metrics = createMetrics()
const tracer = trace.getTracer('rondo.simulate')
/** What a supervisor waits before it starts again what could not start. */
const againMs = 500

export interface Application {
  readonly program: Program
  readonly submit: OpenLedger['submit']
  readonly bus: Bus
  readonly tally: OpenLedger
  readonly relay: Relaying
}

/** All that a process runs, made of the same parts as a real one. Undefined: it could not start, or has ended before. */
export async function startApplication(world: World, process: Process): Promise<Application | undefined> {
  for (;;) {
    if (!process.alive) return undefined
    try {
      return await started(world, process)
    } catch (error) {
      world.tell(`${process.name} cannot start: ${error instanceof Error ? error.message : error}`)
      await new Promise<void>((resolve) => void process.clock.after(againMs, resolve))
    }
  }
}

async function started(world: World, process: Process): Promise<Application> {
  const { clock, sessions } = process
  const { partitions } = world
  const program = programs[process.version]
  const { orders, tally, table } = program
  const open = (service: Program['orders'], name: 'orders' | 'tally') =>
    openLedgerOn({
      service: name,
      streams: service.streams,
      store: modelStore({ database: world.databases[name], wire: process.wire(name), sessions }),
      partitions,
      clock,
    })
  const own = await open(orders, 'orders')
  const other = await open(tally, 'tally')
  const bus = modelBus({ broker: world.broker, wire: process.wire('bus'), clock })
  const relay = startRelaying('orders', own, bus, metrics, undefined)
  const begin = async () => {
    const spanning = { tracer, service: 'tally', group: 'rondo.tally', system: 'kafka', publicUrl: '' }
    const consumer = await startConsumer({ service: tally, table, ledger: other, bus, log, metrics, spanning, clock })
    own.startTimers()
    return consumer
  }
  void startCompared(relay, begin, log)
  return { program, submit: refuseUncompared(own.submit, relay), bus, tally: other, relay }
}
