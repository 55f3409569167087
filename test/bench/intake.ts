import { kafkaBus } from '@rondo/bus'
import { startChild } from './child.ts'
import { batchSize, type IntakeClient, intakeClient } from './intake-client.ts'
import { rate } from './ledger.ts'
import { aimed, alternate, atLeast, type Figure, figureOf } from './measure.ts'
import { allInOne, gatewayAlone, type Rondo, type Stage } from './stage.ts'

const topic = 'bench.intake'
const roundMs = 1000

/** How the three ways are called, with what on their way at the same time. */
const ways: Readonly<Record<string, (client: IntakeClient) => Promise<number>>> = {
  'unary, 64 callers': (client) => rate(64, () => client.unary(), roundMs),
  [`batches of ${batchSize}, 4 callers`]: (client) => rate(4, () => client.batch(), roundMs),
  'stream, 4 streams with 64 on their way each': async (client) => {
    const start = performance.now()
    const answered = await Promise.all(Array.from({ length: 4 }, () => client.stream(roundMs, 64)))
    return (answered.reduce((sum, one) => sum + one, 0) * 1000) / (performance.now() - start)
  },
}

/** The hand-written handler, on a topic of its own with as many partitions as the intake's. */
async function startBare(stage: Stage) {
  const brokers = await stage.kafka()
  const bus = kafkaBus({ brokers: [brokers], clientId: 'bench' })
  await bus.ensure([{ name: topic, partitions: 4 }])
  await bus.close()
  // A flame graph is of Rondo: the control leaves no profile of its own
  const child = await startChild('bare-intake.ts', { RONDO_KAFKA_BROKERS: brokers, BENCH_TOPIC: topic, NODE_OPTIONS: '' })
  return { address: `127.0.0.1:${child.told}`, stop: () => child.stop() }
}

async function beside(rondo: Rondo, who: string, bare: string, token: string, rounds: number, goOn?: () => boolean) {
  const clients = { rondo: intakeClient(rondo.grpc, token), bare: intakeClient(bare, token) }
  const figures: Figure[] = []
  for (const [way, call] of Object.entries(ways)) {
    const quietly = async () => {
      const measured = await call(clients.rondo)
      // What it took is read at once: that must not be the control's burden
      await rondo.quiet()
      return measured
    }
    await quietly()
    await call(clients.bare)
    const measured = await alternate(
      rounds,
      [
        { name: 'rondo', run: quietly },
        { name: 'bare', run: () => call(clients.bare) },
      ],
      goOn,
    )
    const control = { name: 'a bare grpc-js handler', values: measured.get('bare') ?? [] }
    figures.push(aimed(figureOf(`gRPC intake, ${way}, ${who}`, 'events/s', measured.get('rondo') ?? [], control), atLeast(0.8)))
  }
  clients.rondo.close()
  clients.bare.close()
  return figures
}

/** Events in a second through the gateway's gRPC, beside a handler that parses, checks and produces and does nothing else. */
export async function intakeFigures(stage: Stage, rounds: number, goOn?: () => boolean): Promise<readonly Figure[]> {
  const bare = await startBare(stage)
  const token = await stage.token()
  try {
    // First, so that all topics and schemas are there
    const whole = await stage.withRondo(allInOne, (rondo) => beside(rondo, 'all in one', bare.address, token, rounds, goOn))
    const alone = await stage.withRondo(gatewayAlone, (rondo) =>
      beside(rondo, 'the gateway as a process of its own', bare.address, token, rounds, goOn),
    )
    return [...whole, ...alone]
  } finally {
    await bare.stop()
  }
}
