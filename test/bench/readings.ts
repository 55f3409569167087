import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import type { Bus } from '@rondo/bus'

/** When each record with a mark was read first, by its mark. */
export interface Readings {
  readonly at: ReadonlyMap<string, number>
  stop(): Promise<void>
}

const pattern = /bench\d+x[0-9a-f]{8}/
export const newMark = (index: number): string => `bench${index}x${randomUUID().slice(0, 8)}`

/** Reads a topic from its end on. `holding`: only records that hold this text count. */
export async function readingsOf(bus: Bus, topic: string, holding = ''): Promise<Readings> {
  const at = new Map<string, number>()
  const bounds = await bus.bounds(topic)
  const consumer = await bus.consume({
    group: `bench-${randomUUID()}`,
    topics: [topic],
    start: async (_, partition) => bounds.find((one) => one.partition === partition)?.next ?? 'first',
    async handle(batch) {
      for (const { value } of batch) {
        const text = Buffer.from(value ?? []).toString()
        const mark = text.includes(holding) ? pattern.exec(text)?.[0] : undefined
        if (mark !== undefined && !at.has(mark)) at.set(mark, performance.now())
      }
    },
    onError: (error) => process.stderr.write(`reading ${topic}: ${error.message}\n`),
  })
  return { at, stop: () => consumer.stop() }
}

/** Milliseconds from each sending until its mark was read, of those that were within the time. */
export async function spansOf(sent: ReadonlyMap<string, number>, { at }: Readings, withinMs = 20_000): Promise<number[]> {
  const end = performance.now() + withinMs
  while ([...sent.keys()].some((mark) => !at.has(mark)) && performance.now() < end) await pause(20)
  return [...sent].flatMap(([mark, begin]) => {
    const read = at.get(mark)
    return read === undefined ? [] : [read - begin]
  })
}

/** One after the other, so far apart that none meets the one before it. */
export async function atPace(count: number, paceMs: number, readings: Readings, send: (mark: string) => Promise<void>): Promise<number[]> {
  const sent = new Map<string, number>()
  for (let index = 0; index < count; index++) {
    const mark = newMark(index)
    sent.set(mark, performance.now())
    await send(mark)
    await pause(paceMs)
  }
  return spansOf(sent, readings)
}
