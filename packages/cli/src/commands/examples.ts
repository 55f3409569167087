import { randomUUID } from 'node:crypto'

/** What a sender would send, with times near now and ids of its own. */
export interface Example {
  readonly what: string
  /** Alertmanager's own body, or an event for `rondo.intake.v1.Intake/Emit`. */
  readonly to: 'alertmanager' | 'intake'
  readonly body: (now: Date) => object
}

const before = (now: Date, minutes: number) => new Date(now.getTime() - minutes * 60_000).toISOString()
const digest = `sha256:${'5'.repeat(64)}`
const revision = 'c0ffee'.padEnd(40, '0')
const repository = { host: 'github.com', full_name: 'example/shop', id: '' }
const event = (now: Date, source: string, body: object) => ({ id: randomUUID(), source, time: now.toISOString(), ...body })

export const examples: Readonly<Record<string, Example>> = {
  alert: {
    what: 'an alert that fires, as Alertmanager sends it',
    to: 'alertmanager',
    body: (now) => ({
      version: '4',
      groupKey: '{}:{alertname="PaymentTimeout"}',
      status: 'firing',
      receiver: 'rondo',
      externalURL: 'https://alertmanager.example.org',
      groupLabels: { alertname: 'PaymentTimeout' },
      commonLabels: { alertname: 'PaymentTimeout', service: 'shop' },
      commonAnnotations: { summary: 'Payments time out' },
      truncatedAlerts: 0,
      alerts: [
        {
          status: 'firing',
          labels: { alertname: 'PaymentTimeout', service: 'shop', environment: 'production', severity: 'page' },
          annotations: { summary: 'Payments time out', runbook_url: 'https://runbooks.example.org/payment-timeout' },
          startsAt: before(now, 5),
          endsAt: '0001-01-01T00:00:00Z',
          fingerprint: '9ac3f1de52b1c0aa',
          generatorURL: 'https://prometheus.example.org/graph',
        },
      ],
    }),
  },
  errors: {
    what: 'errors counted over a span, with the requests served meanwhile',
    to: 'intake',
    body: (now) =>
      event(now, 'https://telemetry.example.org/shop', {
        errors: {
          service: 'shop',
          environment: 'production',
          artifact: '',
          error_class: 'PaymentTimeout',
          title: 'Payments time out',
          from: before(now, 5),
          to: now.toISOString(),
          events: '7',
          requests: '12000',
          event_ids: [],
        },
      }),
  },
  build: {
    what: 'a pipeline that finished',
    to: 'intake',
    body: (now) =>
      event(now, 'https://ci.example.org/shop', {
        build: {
          build_id: 'shop-1',
          kind: 'BUILD_KIND_PIPELINE',
          name: 'ci',
          attempt: 1,
          phase: 'BUILD_PHASE_FINISHED',
          outcome: 'OUTCOME_SUCCESS',
          repository,
          revision,
          branch: 'main',
          url: 'https://ci.example.org/shop/1',
        },
      }),
  },
  artifact: {
    what: 'an artifact that was published',
    to: 'intake',
    body: (now) =>
      event(now, 'https://ci.example.org/shop', {
        artifact: {
          digest,
          name: 'pkg:oci/shop',
          version: '1.0.0',
          phase: 'ARTIFACT_PHASE_PUBLISHED',
          repository,
          revision,
          build_id: 'shop-1',
        },
      }),
  },
  deployment: {
    what: 'a deployment that succeeded',
    to: 'intake',
    body: (now) =>
      event(now, 'https://deployer.example.org', {
        deployment: {
          deployment_id: randomUUID(),
          service: 'shop',
          environment: 'production',
          artifact: digest,
          revision: '',
          state: 'DEPLOYMENT_STATE_SUCCEEDED',
          share: 1,
          url: 'https://deployer.example.org/shop',
        },
      }),
  },
}

/** Objects whose fields the sender chooses. */
export const openFields: ReadonlySet<string> = new Set(['labels', 'annotations', 'groupLabels', 'commonLabels', 'commonAnnotations'])
