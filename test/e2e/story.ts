import { createHash, createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Role } from '@rondo/runtime'
import { eventually, shared } from '@rondo/testkit'
import { type Answer, type Client, webhookSecret } from '../rig/client.ts'

const hash = (kind: 'sha1' | 'sha256', text: string) => createHash(kind).update(`e2e/${text}`).digest('hex')
const ago = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString()

export const service = 'andromeda'
export const environment = 'production'
/** The artifact that fails, and the one with the fix. */
export const old = `sha256:${hash('sha256', 'old')}`
export const fixed = `sha256:${hash('sha256', 'fixed')}`
const base = hash('sha1', 'base')
const fix = hash('sha1', 'fix')
const repository = { host: 'github.com', full_name: 'example/andromeda', id: '4711' }
const item = 'FB-E2E'
export const requester = 'customer-1'

/** Milliseconds: a group on Kafka waits ten seconds for a member that was killed. */
const patience = 45_000

interface Alert {
  readonly labels: Record<string, string>
  readonly startsAt: string
  readonly fingerprint: string
  endsAt: string
  status: string
}
interface Notification {
  readonly commonLabels: Record<string, string>
  readonly alerts: Alert[]
  status: string
}

/** As Zulip's tests have it, with labels that the catalog maps. */
function corpusNotification(): Notification {
  const body = JSON.parse(readFileSync(shared('corpus', 'alerts/zulip__zulip/alertmanager/alert.json'), 'utf8')) as Notification
  for (const { labels } of body.alerts) Object.assign(labels, { service, environment })
  return body
}
type Words = readonly [actor: string, ...roles: Role[]]
const cast = {
  ada: ['ada@example.org', 'developer', 'approver'],
  grace: ['grace@example.org', 'approver'],
  barbara: ['barbara@example.org', 'product_owner'],
  edsger: ['edsger@example.org', 'operator'],
  ci: ['service:ci', 'reporter'],
  shop: ['service:andromeda', 'reporter'],
  alertmanager: ['service:alertmanager', 'reporter'],
  admin: ['admin', 'admin'],
} as const satisfies Readonly<Record<string, Words>>
type Player = keyof typeof cast

const temporary = new Set([429, 502, 503, 504])
const refusedAlone = (answer: Answer) => answer.body?.results?.some((one: { code: string }) => one.code === 'unavailable')

/**
 * One turn of the loop on an alert of the corpus, step by step. Whoever sends does as a careful client does: the same again, under the same id,
 * until it is taken.
 */
export class Story {
  /** Sent again, because nothing or "not now" was answered. */
  retries = 0
  requirement = ''
  readonly #rondo: Client
  readonly #notification = corpusNotification()
  #asks = 0

  constructor(rondo: Client) {
    this.#rondo = rondo
  }

  async #send(method: string, path: string, by: Player | 'github', body: string, headers: Readonly<Record<string, string>>) {
    const [actor, ...roles] = by === 'github' ? [] : cast[by]
    const authorization = actor ? { authorization: `Bearer ${await this.#rondo.token(actor, ...roles)}` } : {}
    return eventually(
      async () => {
        const answer = await this.#rondo
          .send(method, path, { body, headers: { 'content-type': 'application/json', ...authorization, ...headers } })
          // Nobody listens, or died while it listened: that is what is sent again
          .catch(() => undefined)
        if (answer && !temporary.has(answer.status) && !refusedAlone(answer)) return answer
        this.retries += 1
        return false
      },
      { within: patience, every: 100 },
    )
  }

  async #taken(sent: Promise<Answer>): Promise<Answer> {
    const answer = await sent
    if (answer.status >= 300) throw new Error(`${answer.status}: ${JSON.stringify(answer.body)}`)
    return answer
  }

  /** An ask or a query of a service. */
  async rpc(by: Player, method: string, request: object): Promise<Answer> {
    this.#asks += 1
    return this.#send('POST', `/${method}`, by, JSON.stringify(request), {
      'x-rondo-message-id': `e2e-${method.split('/')[1]}-${this.#asks}`,
    })
  }
  async ask(by: Player, method: string, request: object): Promise<Answer['body']> {
    return (await this.#taken(this.rpc(by, method, request))).body
  }
  async post(by: Player, path: string, body: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer['body']> {
    return (await this.#taken(this.#send('POST', path, by, body, headers))).body
  }
  emit(by: Player, ...events: readonly object[]): Promise<Answer['body']> {
    return this.ask(by, 'rondo.intake.v1.Intake/EmitBatch', { events })
  }
  /** Looks until there is something. */
  until<Value>(look: () => Promise<Value>) {
    return eventually(look, { within: patience, every: 100 })
  }
  phase = async (): Promise<string> =>
    (await this.rpc('barbara', 'rondo.requirements.v1.Requirements/GetRequirement', { requirement_id: this.requirement })).body.summary
      ?.phase

  #cdevent(id: string, what: string, subject: string, content: object, source = 'https://ci.example.org/andromeda') {
    const type = `dev.cdevents.${what}.0.2.0`
    const timestamp = new Date().toISOString()
    const data = {
      context: { version: '0.4.1', id, source, type, timestamp },
      subject: { id: subject, source, type: what.split('.')[0], content },
    }
    const event = { specversion: '1.0', id, source, type, time: timestamp, datacontenttype: 'application/json', data }
    return this.post('ci', '/v1/events', JSON.stringify(event), { 'content-type': 'application/cloudevents+json' })
  }

  /** What a company tells Rondo once. */
  async catalog(): Promise<void> {
    await this.ask('admin', 'rondo.operations.v1.Operations/PutService', {
      service,
      owner: 'team-andromeda',
      tier: '1',
      runbook: 'https://runbooks.example.org/andromeda',
      objective: 'https://slo.example.org/andromeda',
      repositories: [repository.full_name],
      artifacts: [`pkg:oci/${service}`],
      alert_labels: { service },
    })
    for (const [person, github] of [
      ['ada@example.org', 'ada-example'],
      ['grace@example.org', 'grace-example'],
      ['barbara@example.org', 'barbara-example'],
      ['edsger@example.org', 'edsger-example'],
    ])
      await this.ask('admin', 'rondo.intake.v1.People/PutPerson', { person, name: person, emails: [person], github, github_id: '' })
  }

  #errors(id: string, artifact: string, from: string, to: string, events: string, requests: string) {
    const errors = {
      service,
      environment,
      artifact,
      error_class: this.#notification.commonLabels.alertname ?? '',
      title: 'It runs hot',
      from,
      to,
      events,
      requests,
      event_ids: [],
    }
    return this.emit('shop', { id, source: 'https://andromeda.example.org', time: to, errors })
  }

  async #requirements(): Promise<readonly { readonly requirement_id: string }[]> {
    const { body } = await this.rpc('barbara', 'rondo.requirements.v1.Requirements/ListRequirements', { service })
    return body.requirements ?? []
  }

  /** The customer complains, errors are counted, Alertmanager sends what the corpus has. */
  async failures(): Promise<void> {
    await this.ask('barbara', 'rondo.feedback.v1.Feedback/Submit', {
      item_id: item,
      service,
      text: 'It is hot in here.',
      requester_id: requester,
      contact: { name: 'Alan T.', address: 'alan@customer.example.org' },
      channel: 'form',
    })
    await this.#errors('errors-before', old, ago(130), ago(10), '30', '30000')
    // What is known first gives the requirement its first facts: not left to chance
    await this.until(async () => (await this.#requirements()).length > 0)
    await this.post('alertmanager', '/v1/webhooks/alertmanager', JSON.stringify(this.#notification))
  }

  /** One requirement for all signals arose by itself; it is refined and ready. */
  async requirementReady(): Promise<void> {
    const raised = await this.until(async () => {
      const requirements = await this.#requirements()
      const [first] = requirements
      if (!first) return false
      this.requirement = first.requirement_id
      const { body: one } = await this.rpc('barbara', 'rondo.requirements.v1.Requirements/GetRequirement', {
        requirement_id: first.requirement_id,
      })
      return one.signals?.length === this.#notification.alerts.length + 1 && requirements
    })
    if (raised.length !== 1) throw new Error(`${raised.length} requirements were raised`)
    const { requirement: requirement_id } = this
    await this.ask('barbara', 'rondo.feedback.v1.Feedback/Link', { item_id: item, requirement_id })
    await this.ask('barbara', 'rondo.requirements.v1.Requirements/Refine', {
      requirement_id,
      goal: 'Andromeda stays cool',
      acceptance: ['The core stays below 80 degrees'],
      operability: {
        owner: 'team-andromeda',
        runbook: 'https://runbooks.example.org/andromeda',
        objective: 'https://slo.example.org/andromeda',
      },
    })
    await this.ask('barbara', 'rondo.requirements.v1.Requirements/MakeReady', { requirement_id })
  }

  #change(sha: string, parents: readonly string[], message: string, committed_at: string) {
    const ada = { name: 'Ada Lovelace', email: 'ada@example.org', login: '' }
    return {
      id: `history/${sha}`,
      source: 'https://ci.example.org/andromeda',
      time: committed_at,
      change: {
        repository,
        sha,
        parents,
        parents_known: true,
        shallow: false,
        patch_id: '',
        message,
        committed_at,
        author: ada,
        committer: ada,
        branch: 'main',
      },
    }
  }

  /** The commit names the requirement, is built and tested. */
  async code(): Promise<void> {
    const message = `Blow harder\n\nImplements: ${this.requirement}`
    const at = ago(30)
    const person = { name: 'Ada Lovelace', email: 'ada@example.org', username: 'ada-example' }
    const commit = { id: fix, message, timestamp: at, author: person, committer: person, url: 'https://github.com/example/andromeda' }
    const push = JSON.stringify({
      ref: 'refs/heads/main',
      before: base,
      after: fix,
      created: false,
      deleted: false,
      forced: false,
      repository: {
        id: 4711,
        full_name: repository.full_name,
        html_url: `https://github.com/${repository.full_name}`,
        default_branch: 'main',
        pushed_at: Math.floor(Date.parse(at) / 1000),
      },
      pusher: { name: 'ada-example', email: person.email },
      sender: { login: 'ada-example', id: 900_000_001 },
      head_commit: commit,
      commits: [commit],
    })
    const signature = `sha256=${createHmac('sha256', webhookSecret).update(push).digest('hex')}`
    await this.#taken(
      this.#send('POST', '/v1/webhooks/github', 'github', push, {
        'x-github-event': 'push',
        'x-github-delivery': 'e2e-push',
        'x-hub-signature-256': signature,
      }),
    )
    await this.emit('ci', this.#change(base, [], 'As it was', ago(60 * 24 * 20)), this.#change(fix, [base], message, at))
    const purl = `pkg:oci/${service}@${encodeURIComponent(fixed)}`
    const change = { change: { id: fix, source: `https://github.com/${repository.full_name}` } }
    await this.#cdevent('run-1', 'pipelinerun.started', 'run-e2e', { pipelineName: 'main', url: 'https://ci.example.org/andromeda/1' })
    await this.#cdevent('packaged', 'artifact.packaged', purl, change)
    await this.post(
      'ci',
      `/v1/evidence/junit?artifact=${encodeURIComponent(fixed)}`,
      '<testsuites><testsuite name="fan"><testcase classname="fan" name="blows" time="0.1"/><testcase classname="fan" name="stops" time="0.1"/></testsuite></testsuites>',
      { 'content-type': 'application/xml' },
    )
    await this.#cdevent('published', 'artifact.published', purl, change)
    await this.#cdevent('run-2', 'pipelinerun.finished', 'run-e2e', { pipelineName: 'main', outcome: 'success' })
  }

  /** The candidate that arose by itself is approved by somebody who did not write it. Returns its id. */
  async approved(): Promise<string> {
    const { release_id } = await this.until(async () => {
      const { body } = await this.rpc('ada', 'rondo.releases.v1.Releases/ListReleases', { artifact: fixed })
      return body.releases?.find(
        (one: { requirements: string[]; approval_obstacles: string[]; gates: { release_allowed: boolean }[] }) =>
          one.requirements.includes(this.requirement) &&
          one.approval_obstacles.length === 0 &&
          one.gates.some(({ release_allowed }) => release_allowed),
      )
    })
    const { content_hash } = await this.ask('ada', 'rondo.releases.v1.Releases/RequestApproval', { release_id })
    const own = await this.rpc('ada', 'rondo.releases.v1.Releases/Approve', { release_id, content_hash })
    const code = own.body.details?.[0]?.debug?.code
    if (code !== 'four_eyes') throw new Error(`the author's own approval was answered with ${own.status} ${code}`)
    await this.ask('grace', 'rondo.releases.v1.Releases/Approve', { release_id, content_hash })
    await this.ask('edsger', 'rondo.releases.v1.Releases/Deploy', { release_id, environment })
    return release_id as string
  }

  /** The deployer says so. */
  async deployed(): Promise<void> {
    const content = {
      environment: { id: environment, source: 'https://deployer.example.org' },
      artifactId: `pkg:oci/${service}@${encodeURIComponent(fixed)}`,
    }
    await this.#cdevent('deployed', 'service.deployed', service, content, 'https://deployer.example.org')
  }

  async handedOver(release_id: string): Promise<void> {
    await this.until(async () => {
      const { body } = await this.rpc('edsger', 'rondo.releases.v1.Releases/WhatRuns', { service, environment })
      return body.releases?.includes(release_id)
    })
    await this.until(async () => ['released', 'verifying'].includes(await this.phase()))
    await this.ask('ada', 'rondo.releases.v1.Releases/OfferHandover', { release_id, to: 'team-operations' })
    await this.ask('edsger', 'rondo.releases.v1.Releases/AcceptHandover', { release_id })
  }

  /** The fixed artifact serves without an error, and the alerts end. */
  async quiet(): Promise<void> {
    const proof = await this.until(async () => {
      const { body } = await this.rpc('edsger', 'rondo.operations.v1.Operations/ListProofs', { requirement_id: this.requirement })
      return body.proofs?.find((one: { clock_started_at: string; before: unknown }) => one.clock_started_at && one.before)
    })
    await this.#errors('errors-after', fixed, proof.clock_started_at, new Date().toISOString(), '0', '100000')
    const ended = new Date().toISOString()
    const over = {
      ...this.#notification,
      status: 'resolved',
      alerts: this.#notification.alerts.map((one) => ({ ...one, status: 'resolved', endsAt: ended })),
    }
    await this.post('alertmanager', '/v1/webhooks/alertmanager', JSON.stringify(over))
  }

  /** Who asked is told. */
  async verified(): Promise<void> {
    await this.until(async () => (await this.phase()) === 'verified')
    await this.until(async () => {
      const { body } = await this.rpc('barbara', 'rondo.feedback.v1.Feedback/ListNotices', { requirement_id: this.requirement })
      return body.notices?.some((one: { kind: string; delivered_at: string }) => one.kind === 'verified' && one.delivered_at)
    })
  }

  async whole(): Promise<void> {
    await this.catalog()
    await this.failures()
    await this.requirementReady()
    await this.code()
    const release = await this.approved()
    await this.deployed()
    await this.handedOver(release)
    await this.quiet()
    await this.verified()
  }

  /** What is said at the end, each by the service that knows it. */
  async end(): Promise<Readonly<Record<string, unknown>>> {
    const requirement_id = this.requirement
    const { proofs } = await this.ask('edsger', 'rondo.operations.v1.Operations/ListProofs', { requirement_id })
    return {
      requirement: await this.ask('barbara', 'rondo.requirements.v1.Requirements/GetRequirement', { requirement_id }),
      proof: await this.ask('edsger', 'rondo.operations.v1.Operations/GetProof', { proof_id: proofs[0].proof_id }),
      runs: await this.ask('edsger', 'rondo.releases.v1.Releases/WhatRuns', { service, environment }),
      notices: await this.ask('barbara', 'rondo.feedback.v1.Feedback/ListNotices', { requirement_id }),
    }
  }
}
