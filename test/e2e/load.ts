import { createHash } from 'node:crypto'
import type { Story } from './story.ts'

export const noise = 'noise'
/** Alerts of one load, each a problem of its own. */
export const alertsEach = 40
const changesEach = 20

/** A service beside the story's, so that its answers stay what they are. */
export async function prepareLoad(story: Story): Promise<void> {
  await story.ask('admin', 'rondo.operations.v1.Operations/PutService', {
    service: noise,
    owner: 'team-noise',
    repositories: ['example/noise'],
    artifacts: ['pkg:oci/noise'],
    alert_labels: { service: noise },
  })
}

const alertOf = (load: number, index: number) => ({
  status: 'firing',
  labels: { alertname: `Noise ${load}/${index}`, service: noise, environment: 'production', severity: 'page' },
  annotations: {},
  startsAt: '2026-11-19T08:00:00Z',
  endsAt: '0001-01-01T00:00:00Z',
  fingerprint: `n015e${load}${index}`,
})

const ci = { name: 'CI', email: 'ci@example.org', login: '' }
const shaOf = (load: number, index: number) => createHash('sha1').update(`noise ${load}/${index}`).digest('hex')
const changeOf = (load: number, index: number) => ({
  id: `noise/${load}/${index}`,
  source: 'https://ci.example.org/noise',
  time: '2026-11-19T08:00:00Z',
  change: {
    repository: { host: 'github.com', full_name: 'example/noise', id: '4712' },
    sha: shaOf(load, index),
    parents: index === 0 ? [] : [shaOf(load, index - 1)],
    parents_known: true,
    shallow: false,
    patch_id: '',
    message: `Noise ${index}`,
    committed_at: '2026-11-19T08:00:00Z',
    author: ci,
    committer: ci,
    branch: 'main',
  },
})

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index)

/** Work for every service: alerts become signals and requirements, changes are recorded and told on. */
export async function sendLoad(story: Story, load: number): Promise<void> {
  const alerts = numbers(alertsEach / 4).map((part) =>
    story.post(
      'alertmanager',
      '/v1/webhooks/alertmanager',
      JSON.stringify({
        version: '4',
        groupKey: `{}:{part="${part}"}`,
        status: 'firing',
        receiver: 'rondo',
        externalURL: 'https://alertmanager.example.org',
        groupLabels: {},
        commonLabels: {},
        commonAnnotations: {},
        truncatedAlerts: 0,
        alerts: numbers(4).map((index) => alertOf(load, part * 4 + index)),
      }),
    ),
  )
  await Promise.all([...alerts, story.emit('ci', ...numbers(changesEach).map((index) => changeOf(load, index)))])
}
