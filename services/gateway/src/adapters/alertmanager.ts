import { alert } from '@rondo/contracts/intake'
import { DomainError, type Instant, millis } from '@rondo/kernel'
import { z } from 'zod'
import { hashOf } from '../identity.ts'
import { type Adapted, notInFuture, type Observed, type Refused, read, time } from './adapter.ts'

const labels = z.record(z.string(), z.string())
const group = z.looseObject({
  version: z.string().optional(),
  groupKey: z.string().optional(),
  status: z.enum(['firing', 'resolved']),
  receiver: z.string().optional(),
  groupLabels: labels.default({}),
  commonLabels: labels.default({}),
  commonAnnotations: labels.default({}),
  externalURL: z.string().optional(),
  truncatedAlerts: z.number().int().nonnegative().default(0),
  alerts: z.array(z.unknown()),
})
type Group = z.output<typeof group>
const sourceOf = ({ externalURL, receiver }: Group) => externalURL || `alertmanager:${receiver ?? 'unnamed'}`
const keyOf = ({ groupKey, groupLabels }: Group) => groupKey ?? JSON.stringify(groupLabels)
const member = z.looseObject({
  status: z.enum(['firing', 'resolved']),
  labels,
  annotations: labels.default({}),
  startsAt: time,
  endsAt: time.nullish(),
  fingerprint: z.string().min(1).optional(),
  generatorURL: z.string().optional(),
})

/** What is looked at before the rest is read. */
const begun = z.looseObject({ startsAt: z.unknown() })
const known = z.looseObject({ fingerprint: z.string() })

/** What identifies a notification: Alertmanager numbers nothing. */
export interface Delivery {
  /** Of the bytes. */
  readonly hash: string
  /** When it was heard first: the same for each try of it. */
  readonly heard_at: Instant
  /** It is this try. */
  readonly isFirst: boolean
}

/** Who speaks, and of what: a replica tells of each of its groups one notification after the other. */
export function voiceOf(body: unknown): string {
  const notification = read(group, body)
  return JSON.stringify([sourceOf(notification), keyOf(notification)])
}

/** Alertmanager's zero time means "not ended". */
const ended = (at: Instant | null | undefined) => (at && millis(at) > 0 ? at : undefined)
/** Same labels, same fingerprint: for senders that leave it out. */
const fingerprintOf = (all: Readonly<Record<string, string>>) =>
  hashOf(JSON.stringify(Object.entries(all).sort(([a], [b]) => (a < b ? -1 : 1))))

function memberOf(body: Group, raw: unknown, index: number, { heard_at, isFirst }: Delivery): Observed {
  const path = `alerts[${index}]`
  // Without it a repetition cannot be told from a new episode
  if (!begun.safeParse(raw).data?.startsAt)
    throw new DomainError('unsupported', `${path}.startsAt: an alert is known by its fingerprint and start; this one has no start`, {
      path: `${path}.startsAt`,
    })
  const one = read(member, raw, ['alerts', index])
  const ends = ended(one.endsAt)
  // A firing alert's endsAt, where set, is a forecast
  const over = one.status === 'resolved' ? ends : undefined
  if (one.status === 'resolved' && !over)
    throw new DomainError('invalid', `${path}.endsAt: a resolved alert says when it ended`, { path: `${path}.endsAt` })
  const all = { ...body.commonLabels, ...one.labels }
  if (!all.alertname) throw new DomainError('invalid', `${path}.labels: an alert has an "alertname"`, { path: `${path}.labels` })
  const source = sourceOf(body)
  const fingerprint = one.fingerprint ?? fingerprintOf(one.labels)
  const starts_at = notInFuture(one.startsAt, `${path}.startsAt`, heard_at)
  const at = over ? notInFuture(over, `${path}.endsAt`, heard_at) : starts_at
  const fact = alert.observed({
    source,
    fingerprint,
    status: one.status,
    starts_at,
    ...(over ? { ends_at: over } : {}),
    heard_at,
    labels: all,
    annotations: { ...body.commonAnnotations, ...one.annotations },
    ...(body.groupKey ? { group_key: body.groupKey } : {}),
    ...(one.generatorURL ? { url: one.generatorURL } : {}),
  })
  // What is said again later is another event of the same episode; the same delivery again has the same time, and is a duplicate
  const id = `${fingerprint}/${starts_at}/${one.status}/${hashOf(JSON.stringify(fact.data))}`
  return { source, id, subject: fingerprint, at, isFirst, fact }
}

function cutOf(body: Group, { hash, heard_at, isFirst }: Delivery): Observed {
  const source = sourceOf(body)
  const listed = body.alerts.flatMap((one) => known.safeParse(one).data?.fingerprint ?? [])
  const group_key = keyOf(body)
  const fact = alert.cut({ source, group_key, group_labels: body.groupLabels, status: body.status, listed, left_out: body.truncatedAlerts })
  return { source, id: `cut/${hash}/${heard_at}`, subject: group_key, at: heard_at, untimed: true, isFirst, fact }
}

/**
 * One notification of a group. Each alert speaks for itself: the group's status is nobody's.
 * One that cannot be read is refused with its path and the rest goes on; a body that is no notification is refused whole.
 */
export function adaptAlertmanager(body: unknown, delivery: Delivery): Adapted {
  const notification = read(group, body)
  if (notification.version !== undefined && notification.version !== '4')
    throw new DomainError(
      'unsupported',
      `version: Alertmanager's webhook format "4" is read here, not "${notification.version}" (Grafana's own contact point writes "1")`,
      { path: 'version' },
    )
  if (notification.alerts.length === 0)
    throw new DomainError('invalid', 'alerts: a notification carries at least one alert', { path: 'alerts' })
  const events: Observed[] = []
  const refused: Refused[] = []
  for (const [index, one] of notification.alerts.entries()) {
    try {
      events.push(memberOf(notification, one, index, delivery))
    } catch (error) {
      if (!(error instanceof DomainError)) throw error
      refused.push({
        path: error.details.path ?? `alerts[${index}]`,
        code: error.code === 'unsupported' ? 'unsupported' : 'invalid',
        reason: error.message,
        raw: JSON.stringify(one).slice(0, 65_536),
      })
    }
  }
  return { events: notification.truncatedAlerts > 0 ? [...events, cutOf(notification, delivery)] : events, refused }
}
