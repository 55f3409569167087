import { placement } from '@rondo/contracts/builds'
import { alert, errors } from '@rondo/contracts/intake'
import type { Instant } from '@rondo/kernel'
import { parseInstant } from '@rondo/kernel'
import type { z } from 'zod'
import { service } from '../src/service-entry.ts'
import type { World } from './world.ts'

export const old = `sha256:${'a'.repeat(64)}`
export const fixed = `sha256:${'b'.repeat(64)}`
export const later = `sha256:${'c'.repeat(64)}`
export const sha = (n: number) => n.toString(16).padStart(40, '0')
export const instant = (text: string): Instant => parseInstant(text) ?? `not a time: ${text}`

export const shop = {
  service: 'shop',
  owner: 'team-shop',
  repositories: ['example/shop'],
  artifacts: ['pkg:oci/shop'],
  alert_labels: { service: 'shop' },
  environment_label: 'environment',
  default_environment: 'production',
  problem_labels: [],
  proof: { kind: 'defect' as const, target_ratio: 0.5, deadline_days: 14 },
}
export const putShop = (world: World, part: object = {}, at: Instant = '2026-01-01T00:00:00.000000Z') =>
  world.ask({ stream: service, id: 'shop', rule: 'put', input: { ...shop, ...part } }, at, 'person:ada')

interface Webhook {
  readonly externalURL: string
  readonly groupKey: string
  readonly truncatedAlerts: number
  readonly status: 'firing' | 'resolved'
  readonly groupLabels: Record<string, string>
  readonly alerts: readonly {
    status: 'firing' | 'resolved'
    labels: Record<string, string>
    annotations: Record<string, string>
    startsAt: string
    endsAt: string
    fingerprint: string
  }[]
}

/** An Alertmanager message, as the gateway's adapter turns it into facts; `at` is when it came. */
export function notify(world: World, body: Webhook, at: Instant): World {
  for (const one of body.alerts) {
    const starts_at = parseInstant(one.startsAt)
    if (!starts_at) continue
    const ends_at = one.endsAt.startsWith('0001') ? undefined : parseInstant(one.endsAt)
    const { fingerprint, status, labels, annotations } = one
    world.deliver(
      alert.observed,
      {
        source: body.externalURL,
        fingerprint,
        status,
        labels,
        annotations,
        starts_at,
        heard_at: at,
        group_key: body.groupKey,
        ...(ends_at ? { ends_at } : {}),
      },
      ends_at ?? starts_at,
    )
  }
  if (body.truncatedAlerts > 0) {
    const listed = body.alerts.map(({ fingerprint }) => fingerprint)
    world.deliver(
      alert.cut,
      {
        source: body.externalURL,
        group_key: body.groupKey,
        group_labels: body.groupLabels,
        status: body.status,
        listed,
        left_out: body.truncatedAlerts,
      },
      at,
    )
  }
  return world
}

type Placed = z.infer<typeof placement.changed.schema>
export function place(world: World, part: Partial<Placed> & { since: Instant }, version = 1): World {
  const usual: Placed = {
    service: 'shop',
    environment: 'production',
    production: true,
    artifact: old,
    deployment: `d-${part.since}`,
    share: 1,
    entered: [],
    left: [],
    contains: [],
    changes_entered: [],
    changes_left: [],
    missing: [],
    since: part.since,
  }
  return world.deliver(placement.changed, { ...usual, ...part }, part.since, { version })
}

type Errors = z.infer<typeof errors.reported.schema>
export function report(world: World, part: Partial<Errors> & { from: Instant; to: Instant }, id?: string): World {
  const usual = {
    source: 'shop-metrics',
    service: 'shop',
    environment: 'production',
    error_class: 'NullPointerException',
    events: 0,
    requests: 0,
  }
  return world.deliver(errors.reported, { ...usual, ...part }, part.to, id ? { id } : {})
}
