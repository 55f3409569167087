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
const member = z.looseObject({
  status: z.enum(['firing', 'resolved']),
  labels,
  annotations: labels.default({}),
  startsAt: time,
  endsAt: time.nullish(),
  fingerprint: z.string().min(1).optional(),
  generatorURL: z.string().optional(),
})

/** Alertmanager's zero time means "not ended". */
const ended = (at: Instant | null | undefined) => (at && millis(at) > 0 ? at : undefined)
/** Same labels, same fingerprint: for senders that leave it out. */
const fingerprintOf = (all: Readonly<Record<string, string>>) =>
  hashOf(JSON.stringify(Object.entries(all).sort(([a], [b]) => (a < b ? -1 : 1))))

/** Milliseconds within which the same words are one delivery sent twice (a retry), and not Alertmanager's repetition hours later. */
const retryMs = 10_000

/**
 * Alertmanager numbers nothing. What it repeats is news of its own (it lives, it still fires, it takes back its "resolved"), so the moment
 * belongs to the id; a change of the words is another event of the same episode.
 */
const idOf = (words: unknown, episode: string, now: Instant): string =>
  `${episode}/${hashOf(JSON.stringify(words))}/${Math.floor(millis(now) / retryMs)}`

function memberOf(body: Group, raw: unknown, index: number, now: Instant): Observed {
  const path = `alerts[${index}]`
  // Without it a repetition cannot be told from a new episode
  if (!z.looseObject({ startsAt: z.unknown() }).safeParse(raw).data?.startsAt)
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
  const source = body.externalURL || `alertmanager:${body.receiver ?? 'unnamed'}`
  const fingerprint = one.fingerprint ?? fingerprintOf(one.labels)
  const starts_at = notInFuture(one.startsAt, `${path}.startsAt`, now)
  const at = over ? notInFuture(over, `${path}.endsAt`, now) : starts_at
  const fact = alert.observed({
    source,
    fingerprint,
    status: one.status,
    starts_at,
    ...(over ? { ends_at: over } : {}),
    labels: all,
    annotations: { ...body.commonAnnotations, ...one.annotations },
    ...(body.groupKey ? { group_key: body.groupKey } : {}),
    ...(one.generatorURL ? { url: one.generatorURL } : {}),
  })
  return { source, id: idOf(fact.data, `${fingerprint}/${starts_at}/${one.status}`, now), subject: fingerprint, at, fact }
}

function cutOf(body: Group, delivery: string, now: Instant): Observed {
  const source = body.externalURL || `alertmanager:${body.receiver ?? 'unnamed'}`
  const listed = body.alerts.flatMap((one) => z.looseObject({ fingerprint: z.string() }).safeParse(one).data?.fingerprint ?? [])
  const group_key = body.groupKey ?? JSON.stringify(body.groupLabels)
  const fact = alert.cut({ source, group_key, group_labels: body.groupLabels, status: body.status, listed, left_out: body.truncatedAlerts })
  return { source, id: `cut/${delivery}`, subject: group_key, at: now, untimed: true, fact }
}

/**
 * One notification of a group. Each alert speaks for itself: the group's status is nobody's.
 * One that cannot be read is refused with its path and the rest goes on; a body that is no notification is refused whole.
 * `delivery` is a hash of the bytes: Alertmanager numbers nothing.
 */
export function adaptAlertmanager(body: unknown, delivery: string, now: Instant): Adapted {
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
      events.push(memberOf(notification, one, index, now))
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
  return { events: notification.truncatedAlerts > 0 ? [...events, cutOf(notification, delivery, now)] : events, refused }
}
