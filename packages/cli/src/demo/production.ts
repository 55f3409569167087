import type { Operations } from '@rondo/proto/operations'
import type { Requirements } from '@rondo/proto/requirements'
import { cast } from './cast.ts'
import { emit, minutesAgo, type Stage } from './stage.ts'

export const errorClass = 'PaymentTimeout'
export const alertSource = 'https://alertmanager.example.org'

/** Catalog and persons: what a company tells Rondo once. */
export async function prologue({ service, repository, as, part, tell }: Stage): Promise<void> {
  part('Before the story: what Rondo is told once')
  const entry: Partial<Operations['PutService']['request']> = {
    service,
    owner: 'team-shop',
    tier: '1',
    runbook: `https://runbooks.example.org/${service}`,
    objective: `https://slo.example.org/${service}`,
    repositories: [repository.full_name],
    artifacts: [`pkg:oci/${service}`],
    alert_labels: { service },
  }
  await as.admin.rpc('rondo.operations.v1.Operations/PutService', entry)
  tell(
    'rondo',
    `The catalog has the service ${service}: team-shop owns it, its code is ${repository.full_name}, alerts labelled service=${service} are its own.`,
  )
  for (const player of Object.values(cast)) {
    if (!('github' in player)) continue
    const id = player.actor.replace('person:', '')
    await as.admin.rpc('rondo.intake.v1.People/PutPerson', {
      person: id,
      name: player.name,
      emails: [id],
      github: player.github,
      github_id: '',
    })
  }
  tell(
    'rondo',
    'Ada (developer), Grace (approver), Barbara (product owner) and Edsger (operator) are known, each with a token of their own.',
  )
}

async function complaint({ run, service, as, tell }: Stage): Promise<string> {
  const item = `FB-${run}`
  const contact = { name: 'Alan T.', address: 'alan@customer.example.org' }
  const request = {
    item_id: item,
    service,
    text: 'I paid twice: the first payment hung, so I tried again.',
    requester_id: `customer-${run}`,
    contact,
    channel: 'form',
  }
  await as.barbara.rpc('rondo.feedback.v1.Feedback/Submit', request)
  tell('customer', `"${request.text}" Barbara takes it down as feedback item ${item}.`)
  return item
}

async function failures({ run, service, old, as, tell }: Stage): Promise<void> {
  for (const [index, ago] of [130, 90, 50].entries()) {
    const errors = {
      service,
      environment: 'production',
      artifact: old,
      error_class: errorClass,
      title: 'Payments time out',
      from: minutesAgo(ago),
      to: minutesAgo(ago - 40),
      events: '10',
      requests: '10000',
      event_ids: [],
    }
    await emit(as.shop, { id: `${run}/errors/${index}`, source: `https://${service}.example.org`, time: errors.to, errors })
  }
  tell('shop', `reports over two hours: 30 errors of class ${errorClass} in 30,000 requests.`)
  const labels = { alertname: errorClass, service, environment: 'production', severity: 'page' }
  await notify(as.alertmanager, run, { status: 'firing', labels, startsAt: minutesAgo(120), endsAt: '0001-01-01T00:00:00Z' })
  tell('alertmanager', `rings: ${errorClass} in production, since ${minutesAgo(120).slice(11, 16)} UTC.`)
}

interface Alert {
  readonly status: 'firing' | 'resolved'
  readonly labels: Readonly<Record<string, string>>
  readonly startsAt: string
  readonly endsAt: string
}
async function notify(api: Stage['as']['admin'], run: string, alert: Alert): Promise<void> {
  const group = {
    version: '4',
    groupKey: `{}:{service="${alert.labels.service}"}`,
    status: alert.status,
    receiver: 'rondo',
    externalURL: alertSource,
    groupLabels: {},
    commonLabels: {},
    commonAnnotations: {},
    truncatedAlerts: 0,
  }
  const alerts = [{ ...alert, annotations: { summary: 'Payments time out' }, fingerprint: `a1e27${run}` }]
  await api.request('POST', '/v1/webhooks/alertmanager', {
    body: JSON.stringify({ ...group, alerts }),
    headers: { 'content-type': 'application/json' },
  })
}

/** The requirement that arose by itself, once both signals have met in it. */
async function raised({ service, as, until }: Stage): Promise<Requirements['GetRequirement']['response']> {
  return until(`a requirement for the ${errorClass} errors of ${service}, with both signals in it`, async () => {
    const { requirements } = await as.barbara.rpc<Requirements['ListRequirements']['response']>(
      'rondo.requirements.v1.Requirements/ListRequirements',
      { service },
    )
    const [first] = requirements
    if (!first) return { seen: 'no requirement' }
    const found = await as.barbara.rpc<Requirements['GetRequirement']['response']>('rondo.requirements.v1.Requirements/GetRequirement', {
      requirement_id: first.requirement_id,
    })
    return found.signals.length === 2 ? { found } : { seen: `${first.requirement_id} with ${found.signals.length} signal` }
  })
}

/** Production fails, a customer complains; a requirement arises, is refined and ready. Returns its id. */
export async function production(stage: Stage): Promise<{ requirement: string; item: string }> {
  const { service, as, part, tell } = stage
  part('1. Production fails')
  const item = await complaint(stage)
  await failures(stage)
  const found = await raised(stage)
  const requirement = found.summary?.requirement_id ?? ''
  tell(
    'rondo',
    `raised ${requirement}, "${found.summary?.title}", for the problem "${found.problem}". Errors and alert are two signals of one problem, so they are one requirement.`,
  )

  part('2. What shall be better?')
  await as.barbara.rpc('rondo.feedback.v1.Feedback/Link', { item_id: item, requirement_id: requirement })
  tell('barbara', `links ${item} to it: the customer will be told when it is verified.`)
  const refinement: Partial<Requirements['Refine']['request']> = {
    requirement_id: requirement,
    goal: 'Customers can pay while the bank is slow',
    acceptance: ['A payment that the bank answers within 30 s succeeds', 'Nobody is charged twice'],
    operability: {
      owner: 'team-shop',
      runbook: `https://runbooks.example.org/${service}`,
      objective: `https://slo.example.org/${service}`,
    },
  }
  await as.barbara.rpc('rondo.requirements.v1.Requirements/Refine', refinement)
  await as.barbara.rpc('rondo.requirements.v1.Requirements/MakeReady', { requirement_id: requirement })
  tell('barbara', `refines it (goal, acceptance, owner, runbook, objective) and declares it ready for work.`)
  return { requirement, item }
}

/** The alert ends, now. */
export const allClear = ({ run, service, as }: Stage): Promise<void> =>
  notify(as.alertmanager, run, {
    status: 'resolved',
    labels: { alertname: errorClass, service, environment: 'production', severity: 'page' },
    startsAt: minutesAgo(120),
    endsAt: new Date().toISOString(),
  })
