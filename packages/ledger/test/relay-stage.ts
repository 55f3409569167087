import { type Bus, migrateBus, postgresBus, type StoredRecord } from '@rondo/bus'
import { tell } from '@rondo/kernel'
import { eventually } from '@rondo/testkit'
import { afterEach } from 'vitest'
import { type OpenLedger, type RelayOptions, startRelay } from '../src/index.ts'
import { asRole, freshLedger, open, unit } from './fixture.ts'
import { order } from './order-stream.ts'

export const topic = 'rondo.testing.v1'
export const partitions = 3
export const soon = { within: 15_000 }

export const encode: RelayOptions['encode'] = (event, { previous, epoch }) => ({
  key: `${event.stream}/${event.streamId}`,
  value: Buffer.from(JSON.stringify(event.data)),
  headers: {
    ce_id: event.id,
    ce_position: String(event.position),
    ce_previous: String(previous),
    ce_epoch: String(epoch),
    ce_recordedtime: event.recordedAt,
  },
})

/** After each test, the last first. */
export const undo: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const each of undo.splice(0).reverse()) await each()
})

export async function setUp() {
  const { ownerUrl, url } = await freshLedger()
  await migrateBus(ownerUrl, { role: 'rondo_bus' })
  const bus = postgresBus({ url: asRole(ownerUrl, 'rondo_bus') })
  undo.push(() => bus.close())
  await bus.ensure([{ name: topic, partitions }])
  const [one, two] = await Promise.all([open(url, { partitions }), open(url, { partitions })])
  undo.push(one.close, two.close)
  return { bus, one, two, ownerUrl }
}
export function relay(ledger: OpenLedger, bus: Pick<Bus, 'send' | 'last'>, given: Partial<RelayOptions> = {}) {
  const started = startRelay({
    database: ledger.database,
    onCommit: ledger.onCommit,
    join: ledger.join,
    bus,
    topic,
    encode,
    ...given,
  })
  undo.push(() => started.stop())
  return started
}
export const fill = (ledger: OpenLedger, count: number) =>
  Promise.all(Array.from({ length: count }, (_, n) => ledger.submit(unit([tell(order, `o-${n % 40}`, 'count', 1)]))))

/** Everything on the bus, by partition. */
export async function records(bus: Bus): Promise<readonly StoredRecord[][]> {
  const read: StoredRecord[][] = Array.from({ length: partitions }, () => [])
  const all = await bus.bounds(topic)
  const consumer = await bus.consume({
    group: `reader-${Math.random()}`,
    topics: [topic],
    start: async () => 'first',
    handle: async (batch) => [...batch].forEach((record) => read[record.partition]?.push(record)),
    onError: (error) => {
      throw error
    },
  })
  await eventually(() => all.every(({ partition, next }) => BigInt(read[partition]?.length ?? 0) >= next), soon)
  await consumer.stop()
  return read
}
const marks = (partition: readonly StoredRecord[]) =>
  partition.map(({ headers }) => [Number(headers.ce_previous), Number(headers.ce_position)])
export const unbroken = (partition: readonly StoredRecord[]) =>
  marks(partition).every(([previous], n, all) => previous === (all[n - 1]?.[1] ?? 0))
export const tailsReach = async (bus: Bus, ledger: OpenLedger, count: number) => {
  const events = await ledger.events(0, count)
  const wanted = new Map(events.map(({ partition, position }) => [partition, position]))
  return eventually(async () => {
    for (const [partition, position] of wanted)
      if (Number((await bus.last(topic, partition, 1))[0]?.headers.ce_position ?? 0) < position) return false
    return true
  }, soon)
}
