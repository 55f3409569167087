/*
 * A consumer of kafkajs that is stopped at the moment at which its fetchers are made anew, because the brokers that it reads from have
 * changed. A program of its own: where the client goes round in circles without ever letting go, no timer of this process fires.
 */
import { createRequire } from 'node:module'

interface Runner {
  running: boolean
  scheduleFetchManager(): void
  stop(): Promise<void>
}
const require = createRequire(import.meta.url)
const LoadedRunner = require('kafkajs/src/consumer/runner') as new (options: object) => Runner

const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined }
const logger: object = { ...silent, namespace: () => logger }

let asked = 0
let stopping: Promise<void> | undefined
const consumerGroup = {
  groupId: 'group',
  memberId: 'member',
  // Two brokers from the second look on: the fetchers are made anew. The third look makes them: that is when somebody stops it
  getNodeIds() {
    asked += 1
    if (asked === 3) stopping = runner.stop()
    return asked === 1 ? ['1'] : ['1', '2']
  },
  fetch: async () => [],
  heartbeat: async () => undefined,
  leave: async () => undefined,
}
const runner = new LoadedRunner({
  logger,
  consumerGroup,
  instrumentationEmitter: { emit: () => undefined },
  concurrency: 1,
  eachBatch: async () => undefined,
  onCrash: () => undefined,
  retry: { retries: 8, initialRetryTime: 20 },
})
runner.running = true
runner.scheduleFetchManager()
const looking = setInterval(async () => {
  if (!stopping) return
  clearInterval(looking)
  await stopping
  process.stdout.write('stopped\n')
}, 5)
