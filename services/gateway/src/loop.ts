import { DomainError, refuse } from '@rondo/kernel'
import type { Event } from '@rondo/proto/ledger'
import { type Host, serviceNames } from '@rondo/runtime'
import { call } from './calls.ts'

export interface Loop {
  readonly requirement_id: string
  readonly title: string
  readonly phase: string
  readonly events: readonly Event[]
  readonly unreachable: readonly string[]
}

const byTime = (a: Event, b: Event) =>
  a.occurred_at < b.occurred_at
    ? -1
    : a.occurred_at > b.occurred_at
      ? 1
      : a.recorded_at < b.recorded_at
        ? -1
        : a.recorded_at > b.recorded_at
          ? 1
          : Number(a.position) - Number(b.position)

async function historyOf(host: Host, service: string, loopId: string, authorization: string | undefined) {
  try {
    const { events } = await call(
      host,
      service,
      'rondo.ledger.v1.Ledger/History',
      { service, loop_id: loopId, page_size: 0 },
      { authorization },
    )
    return { service, events }
  } catch (error) {
    // One service that is down must not hide what the others know; the answer names it
    if (error instanceof DomainError && (error.code === 'unavailable' || error.code === 'timed_out')) return { service, events: undefined }
    throw error
  }
}

/** Everything that belongs to a requirement, from all ledgers, in the order it happened. */
export async function loopOf(host: Host, requirementId: string, authorization: string | undefined): Promise<Loop> {
  if (!requirementId) refuse('invalid', 'requirement_id: which one?', { path: 'requirement_id' })
  const asked = call(
    host,
    'requirements',
    'rondo.requirements.v1.Requirements/GetRequirement',
    { requirement_id: requirementId },
    { authorization },
  )
  const [{ summary }, ...histories] = await Promise.all([
    asked,
    ...serviceNames.map((service) => historyOf(host, service, requirementId, authorization)),
  ])
  return {
    requirement_id: requirementId,
    title: summary?.title ?? '',
    phase: summary?.phase ?? '',
    events: histories.flatMap(({ events }) => events ?? []).sort(byTime),
    unreachable: histories.flatMap(({ service, events }) => (events ? [] : [service])),
  }
}
