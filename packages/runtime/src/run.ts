import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { flushCompileCache } from 'node:module'
import { join } from 'node:path'
import { loadProtos } from '@rondo/proto'
import type protobuf from 'protobufjs'
import { z } from 'zod'
import { Admission } from './admission.ts'
import { type Channels, createChannels } from './channels.ts'
import { type Config, readConfig } from './config.ts'
import { openBus } from './engines.ts'
import { forwardOthers } from './grpc-forward.ts'
import { type Gate, withinHeader } from './grpc-gate.ts'
import { createGrpcHost, type GrpcHost } from './grpc-host.ts'
import type { Host } from './host.ts'
import { createHttpHost, type HttpHost } from './http-host.ts'
import { loopLateness } from './lateness.ts'
import { edgeTable } from './ledger-edge.ts'
import { ledgerService, ledgerTable } from './ledger-rpc.ts'
import { createLog, type Logger } from './log.ts'
import { checkListening } from './loopback.ts'
import { createMetrics } from './metrics.ts'
import { checkPorts } from './ports.ts'
import { type Check, type Readiness, readiness } from './readiness.ts'
import { type RunningService, startService } from './running-service.ts'
import type { Service } from './service.ts'
import { Shutdown } from './shutdown.ts'
import { metricsText, startMetrics, stopTelemetry } from './telemetry.ts'
import { openTokens, type Tokens } from './tokens.ts'
import { Turns } from './turns.ts'

export interface Parts {
  /** The protos of the services; those of Rondo unless told. */
  readonly protos?: protobuf.Root
  readonly log?: Logger
  /** Stops on SIGTERM and SIGINT, a second one ends at once. True unless told. */
  readonly signals?: boolean
  /** What was started before (embedded engines): closed last. */
  readonly closeLast?: (deadlineMs: number) => void | Promise<void>
}

export interface Running {
  readonly addresses: { readonly http: string; readonly grpc: string }
  readonly readiness: () => Promise<Readiness>
  /** Stops everything in reverse order, within `config.shutdownTimeoutMs`; never rejects. */
  stop(): Promise<void>
  /** Resolves when it was stopped, by whomever. */
  readonly stopped: Promise<void>
}

const readinessAnswer = z.object({
  components: z.array(z.object({ name: z.string(), ready: z.boolean(), cause: z.string(), fix: z.string() })),
})

const shownHost = (host: string) => (host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host)

function tokenCheck(tokens: Tokens): Check {
  return {
    name: 'tokens',
    async look() {
      const { known, problem } = await tokens.state()
      if (known > 0) return undefined
      return {
        cause: problem ?? 'the token file names no token',
        fix: 'write tokens to RONDO_TOKENS_FILE as a list of {sha256, actor, roles}: until then every call is refused',
        blocks: false,
      }
    },
  }
}

/** Services that run elsewhere, as their own process says. */
function othersChecks(channels: Channels, { serviceAddresses }: Config, here: readonly string[]): readonly Check[] {
  const others = Object.entries(serviceAddresses).filter(([name]) => !here.includes(name))
  return others.map(([name, address]) => ({
    name: `${name}/process`,
    async look() {
      try {
        const found = readinessAnswer.parse(
          await channels.call(name, `${ledgerService}/Readiness`, { problems_only: true }, { timeoutMs: 2500 }),
        )
        const [first] = found.components.filter(({ ready }) => !ready)
        return first && { cause: `${first.name}: ${first.cause}`, fix: first.fix }
      } catch (error) {
        const cause = error instanceof Error ? error.message : String(error)
        return { cause, fix: `see that ${name} runs and listens at ${address}` }
      }
    },
  }))
}

interface Process {
  readonly config: Config
  readonly log: Logger
  readonly shutdown: Shutdown
  readonly grpc: GrpcHost
  readonly gate: Gate
  readonly http: HttpHost
  readonly services: readonly RunningService[]
}

/** Rows and routes of all services, then both servers. */
async function serve(
  { config, log, shutdown, grpc, gate, http, services }: Process,
  common: Omit<Host, 'ledger' | 'log' | 'bus'>,
  own: () => Promise<Readiness>,
) {
  const { metrics } = gate
  const hostOf = ({ service, ledger, bus }: RunningService): Host => ({ ...common, ledger, bus, log: log.child({ service: service.name }) })
  for (const one of services) {
    const host = hostOf(one)
    for (const [fullName, table] of Object.entries(one.service.rpc)) grpc.add(fullName, table, { host, metrics })
    const limit = await one.service.http?.(http.app, host)
    if (limit) gate.limit = limit
  }
  const here = services.map(({ service }) => service.name)
  const edge = services.some(({ service }) => service.http)
  if (edge) forwardOthers(grpc, common, here)
  const [first] = services
  const table = ledgerTable(services, own)
  if (first) grpc.add(ledgerService, edge ? edgeTable(table, here) : table, { host: hostOf(first), metrics })
  shutdown.add('gRPC', (deadlineMs) => grpc.stop(deadlineMs))
  const grpcPort = await grpc.listen(config.listenHost, config.grpcPort)
  shutdown.add('HTTP', (deadlineMs) => http.stop(deadlineMs))
  const httpPort = await http.listen(config.listenHost, config.httpPort)
  return { grpcPort, httpPort }
}

function admissionOf(metrics: ReturnType<typeof createMetrics>): Admission {
  return new Admission({
    lateness: loopLateness(),
    onLook({ limit, underWay }) {
      metrics.admissionLimit.record(limit)
      metrics.underWay.record(underWay)
    },
  })
}

function stopOnSignals(stop: () => Promise<void>, log: Logger): () => void {
  let asked = false
  const onSignal = (signal: NodeJS.Signals) => {
    if (asked) process.exit(1)
    asked = true
    log.info({ signal }, 'stopping; once more ends at once')
    // Whatever a library left open must not keep a stopped process alive.
    void stop().then(() => setTimeout(() => process.exit(), 1000).unref())
  }
  process.on('SIGTERM', onSignal)
  process.on('SIGINT', onSignal)
  return () => {
    process.off('SIGTERM', onSignal)
    process.off('SIGINT', onSignal)
  }
}

/**
 * Turns services into a running process: databases, bus, consumers, relays, timers, gRPC and HTTP.
 * Rejects with a sentence (StartError) when something that is needed cannot be had; what was started by then is stopped.
 */
export async function run(services: readonly Service[], config: Config, parts: Parts = {}): Promise<Running> {
  const log = parts.log ?? createLog(config.logLevel)
  const shutdown = new Shutdown(log, config.shutdownTimeoutMs)
  if (parts.closeLast) shutdown.add('engines', parts.closeLast)
  for (const warning of config.warnings) log.warn(warning)
  const stopped = Promise.withResolvers<void>()
  let ignoreSignals: () => void = () => undefined
  const stop = async () => {
    await shutdown.stop()
    ignoreSignals()
    log.flush()
    stopped.resolve()
  }
  // From the beginning: who gives up on a slow start shall not leave an engine behind.
  if (parts.signals ?? true) ignoreSignals = stopOnSignals(stop, log)
  try {
    const running = await started(services, config, log, shutdown, parts)
    // Else kept at an orderly end only: who is always killed would compile all of it at each start
    setImmediate(flushCompileCache)
    return { ...running, stop, stopped: stopped.promise }
  } catch (error) {
    await stop()
    throw error
  }
}

async function started(
  services: readonly Service[],
  config: Config,
  log: Logger,
  shutdown: Shutdown,
  { protos = loadProtos() }: Parts,
): Promise<Pick<Running, 'addresses' | 'readiness'>> {
  startMetrics(process.env)
  const metrics = createMetrics()
  shutdown.add('telemetry', stopTelemetry)
  const stopping = new AbortController()
  const tokens = openTokens(config.tokensFile ?? join(config.dataDir, 'tokens.json'))
  await checkListening(config, tokens)
  await checkPorts(config)
  const bus = await openBus(services, config, log)
  shutdown.add('bus', () => bus.close())
  const running: RunningService[] = []
  const turns = new Turns()
  for (const [place, service] of services.entries()) {
    const turn = turns.of(place)
    running.push(await startService({ service, config, bus, metrics, log: log.child({ service: service.name }), shutdown, turn }))
  }

  const ports = { grpc: config.grpcPort }
  const own = () => `${shownHost(config.listenHost)}:${ports.grpc}`
  const admission = admissionOf(metrics)
  const gate: Gate = { admission, metrics, within: randomUUID() }
  const channels = createChannels(
    protos,
    (service) => config.serviceAddresses[service] ?? own(),
    (service): Readonly<Record<string, string>> => (config.serviceAddresses[service] ? {} : { [withinHeader]: gate.within }),
  )
  shutdown.add('channels', () => channels.close())
  const checks = [...running.flatMap((one) => one.checks), tokenCheck(tokens)]
  const ownState = () => readiness(checks)
  // The edge is ready when every service is, wherever it runs
  const here = services.map(({ name }) => name)
  const elsewhere = services.some(({ http }) => http) ? othersChecks(channels, config, here) : []
  const state = () => readiness([...checks, ...elsewhere])
  const grpc = createGrpcHost(protos, gate)
  const http = createHttpHost({ readiness: state, metricsText, metrics })
  const common = { config, tokens, admission, channels, protos, readiness: state, stopping: stopping.signal }
  const { grpcPort, httpPort } = await serve({ config, log, shutdown, grpc, gate, http, services: running }, common, ownState)
  ports.grpc = grpcPort
  shutdown.add('health', () => {
    grpc.setServing(false)
    stopping.abort()
  })
  grpc.setServing(true)

  const host = shownHost(config.listenHost)
  const addresses = { http: `http://${host}:${httpPort}`, grpc: `${host}:${grpcPort}` }
  log.info({ services: services.map(({ name }) => name), ...addresses }, 'started')
  return { addresses, readiness: state }
}

/** The whole of a service's `main.ts`: runs, or says in one sentence why not and ends with 1. */
export async function start(services: readonly Service[], parts?: Parts): Promise<Running | undefined> {
  try {
    return await run(services, readConfig(process.env), parts)
  } catch (error) {
    const known = error instanceof Error && ['StartError', 'ConfigError', 'MigrationError'].includes(error.name)
    process.stderr.write(`${known ? error.message : error instanceof Error ? error.stack : String(error)}\n`)
    process.exitCode = 1
    // A library that keeps a socket open must not keep a process that never started.
    setTimeout(() => process.exit(), 2000).unref()
    if (!process.stderr.writableNeedDrain) return undefined
    await once(process.stderr, 'drain')
    return undefined
  }
}
