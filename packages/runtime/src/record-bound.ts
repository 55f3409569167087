import { type Bus, bytesOf, realClock } from '@rondo/bus'
import { topicOf, toRecord } from '@rondo/contracts/cloudevents'
import type { RecordBound } from '@rondo/ledger'
import type { Logger } from './log.ts'

const againMs = 30_000
const largest = Number.MAX_SAFE_INTEGER

/** How large a service's events may be: as its topic says when the service starts, and again from time to time while it records. */
export async function recordBound(
  bus: Pick<Bus, 'limit'>,
  { service, partitions }: { readonly service: string; readonly partitions: number },
  log: Logger,
  { now } = realClock,
): Promise<RecordBound> {
  const topic = topicOf(service)
  let known = Number.POSITIVE_INFINITY
  let askedAt = 0
  const ask = async () => {
    askedAt = now()
    try {
      known = await bus.limit(topic)
    } catch (error) {
      log.warn({ err: error, topic }, 'the limit of the topic could not be read; what was known of it stands')
    }
  }
  await ask()
  const chain = { previous: largest, epoch: largest, after: Array.from({ length: partitions }, () => largest) }
  const unknown = { position: largest, recordedAt: '2026-11-25T09:00:00.000000Z' }
  return {
    topic,
    limit() {
      if (now() - askedAt > againMs) void ask()
      return known
    },
    bytesOf: (event) => bytesOf(toRecord({ ...event, ...unknown }, chain)),
  }
}
