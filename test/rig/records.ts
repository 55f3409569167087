import type { Bus, StoredRecord } from '@rondo/bus'
import { eventually } from '@rondo/testkit/eventually'

/** The records of a topic as they lie there, by partition. */
export async function allOf(bus: Bus, topic: string): Promise<readonly (readonly StoredRecord[])[]> {
  const bounds = await bus.bounds(topic)
  const read = new Map(bounds.map(({ partition }) => [partition, [] as StoredRecord[]]))
  const errors: Error[] = []
  await bus.consume({
    group: 'tests',
    topics: [topic],
    start: async () => 'first',
    handle: async (batch) => {
      for (const record of batch) read.get(record.partition)?.push(record)
    },
    onError: (error) => void errors.push(error),
  })
  await eventually(
    () => {
      if (errors.length > 0) throw errors[0]
      return bounds.every(({ partition, first, next }) => first === next || (read.get(partition)?.at(-1)?.offset ?? -1n) >= next - 1n)
    },
    { within: 300_000 },
  )
  return [...read.values()]
}
