import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { evidence } from '@rondo/contracts/intake'
import { digest } from '@rondo/contracts/values'
import { DomainError, type Instant, refuse, toInstant } from '@rondo/kernel'
import { type Caller, checkRole, type Host, type Role } from '@rondo/runtime'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Adapted, Observed } from './adapters/adapter.ts'
import { adaptAlertmanager, voiceOf } from './adapters/alertmanager.ts'
import { adaptCloudEvent, readCloudEvents } from './adapters/cloudevents.ts'
import { adaptGithub } from './adapters/github.ts'
import { readJunit } from './adapters/junit.ts'
import { createHearing, type Hearing } from './hearing.ts'
import { type Delivered, deliver, type Result, receiptOf, refusedItem, refusedResult } from './intake.ts'
import { parseJson } from './json.ts'
import { withPersons } from './persons.ts'
import { problem } from './problem.ts'

const senders: readonly Role[] = ['reporter', 'developer', 'operator']
const now = (): Instant => toInstant(new Date())
const hash = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

function bodyOf(request: FastifyRequest): Buffer {
  return Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)
}

export async function callerOf(host: Host, request: FastifyRequest, needed: readonly Role[]): Promise<Caller> {
  const caller = await host.tokens.callerOf(request.headers.authorization)
  checkRole(caller, needed, `${request.method} ${request.routeOptions.url}`)
  return caller
}

const header = (request: FastifyRequest, name: string): string | undefined => {
  const value = request.headers[name]
  return Array.isArray(value) ? value[0] : value
}

/** The refusals of one delivery beside its events, each an event itself. */
const withRefused = ({ events, refused }: Adapted, source: string, delivery: string, at: Instant): readonly Observed[] => [
  ...events,
  ...refused.map((one) => refusedItem(source, delivery, at, one)),
]

/** 202 with a result for each; where nothing at all was taken, the problem of the first. */
function answer(reply: FastifyReply, results: readonly Result[], note?: string): FastifyReply {
  const [first] = results
  if (first && results.every(({ status }) => status === 'refused') && first.code)
    return problem(reply, new DomainError(first.code, first.message, { path: first.path }))
  return reply.code(202).send({ results, ...(note ? { note } : {}) })
}

async function events(host: Host, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const caller = await callerOf(host, request, senders)
  const at = now()
  const items = readCloudEvents(request.headers, bodyOf(request))
  const delivered = items.flatMap(({ read }, index): readonly Delivered[] => {
    try {
      return adaptCloudEvent(read(), at).events
    } catch (error) {
      if (!(error instanceof DomainError)) throw error
      return [
        items.length > 1
          ? new DomainError(error.code, error.message, {
              ...error.details,
              path: error.details.path?.startsWith('[') ? error.details.path : `[${index}].${error.details.path ?? ''}`,
            })
          : error,
      ]
    }
  })
  const results = await deliver(host, caller.actor, delivered)
  const batch = String(request.headers['content-type'] ?? '').includes('batch')
  const [down] = results.filter(({ code }) => code === 'unavailable' || code === 'overloaded')
  if (down?.code && results.every(({ status }) => status === 'refused')) return problem(reply, new DomainError(down.code, down.message))
  return batch ? reply.code(202).send({ results }) : answer(reply, results)
}

function verifyGithub(host: Host, request: FastifyRequest, body: Buffer): void {
  const secret = host.config.githubWebhookSecret
  if (!secret)
    refuse(
      'not_configured',
      'GitHub webhooks are refused until a secret is set: choose one, start Rondo with RONDO_GITHUB_WEBHOOK_SECRET=<secret>, and enter the same one in the settings of the webhook at GitHub',
    )
  const given = header(request, 'x-hub-signature-256')
  if (!given)
    refuse('bad_signature', 'X-Hub-Signature-256 is missing: enter the secret in the settings of the webhook at GitHub', {
      path: 'X-Hub-Signature-256',
    })
  const expected = Buffer.from(
    `sha256=${createHmac('sha256', secret as string)
      .update(body)
      .digest('hex')}`,
  )
  const signature = Buffer.from(given as string)
  if (signature.length !== expected.length || !timingSafeEqual(signature, expected))
    refuse(
      'bad_signature',
      'X-Hub-Signature-256 does not fit the body: the secret here (RONDO_GITHUB_WEBHOOK_SECRET) and the one at GitHub differ, or the body was changed on its way',
      { path: 'X-Hub-Signature-256' },
    )
}

async function github(host: Host, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const body = bodyOf(request)
  verifyGithub(host, request, body)
  const event = header(request, 'x-github-event') ?? refuse('invalid', 'X-GitHub-Event is missing', { path: 'X-GitHub-Event' })
  const id = header(request, 'x-github-delivery') ?? refuse('invalid', 'X-GitHub-Delivery is missing', { path: 'X-GitHub-Delivery' })
  const type = header(request, 'content-type') ?? ''
  if (!type.includes('json'))
    refuse('invalid', `content-type: application/json was expected, not "${type}": choose it in the settings of the webhook`, {
      path: 'content-type',
    })
  const json = parseJson(body)
  const { resolved, unresolved } = await withPersons(host.ledger.read, (who) => adaptGithub(event, { id, body: json, who }))
  const results = await deliver(host, 'service:github', resolved.events, unresolved.events)
  return answer(reply, results, resolved.note)
}

async function alertmanager(host: Host, hearing: Hearing, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const caller = await callerOf(host, request, senders)
  const body = bodyOf(request)
  const json = parseJson(body)
  const delivery = hash(body).slice(0, 20)
  const { at, isFirst } = hearing(voiceOf(json), delivery, now())
  const adapted = adaptAlertmanager(json, { hash: delivery, heard_at: at, isFirst })
  const { events: taken, refused } = adapted
  const source = taken[0]?.source ?? 'alertmanager'
  const results = await deliver(host, caller.actor, withRefused(adapted, source, delivery, at))
  const [first] = refused
  if (taken.length === 0 && first) return problem(reply, new DomainError(first.code, first.reason, { path: first.path }))
  const shown = [
    ...results.slice(0, taken.length),
    ...refused.map(({ code, reason, path }) => refusedResult(new DomainError(code, reason, { path }))),
  ]
  return answer(reply, shown)
}

type Target = { readonly artifact?: string; readonly build?: string }
function targetOf(request: FastifyRequest): Target {
  const { artifact, build } = request.query as { artifact?: unknown; build?: unknown }
  if (typeof artifact === 'string' && build === undefined) {
    if (!digest.safeParse(artifact).success)
      refuse('invalid', `artifact: "${artifact}" is no digest such as sha256:<64 hex digits>`, { path: 'artifact' })
    return { artifact }
  }
  if (typeof build === 'string' && build && artifact === undefined) return { build }
  return refuse('invalid', 'of what is it evidence? Add ?artifact=<digest> or ?build=<id>, one of them, once', { path: 'artifact' })
}

/** What could not be read is told to builds too, so that it stands beside the report it leaves in force. */
async function junit(host: Host, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const caller = await callerOf(host, request, senders)
  const target = targetOf(request)
  const body = bodyOf(request)
  const report = hash(body)
  const subject = target.artifact ?? target.build ?? ''
  const about = { source: caller.actor, subject, at: now(), untimed: true } as const
  let read: ReturnType<typeof readJunit>
  try {
    read = readJunit(body)
  } catch (error) {
    if (!(error instanceof DomainError)) throw error
    const fact = evidence.refused({ ...target, report, reason: error.message })
    await deliver(host, caller.actor, [{ ...about, id: `junit-refused/${subject}/${report}`, fact }])
    return problem(reply, error)
  }
  const fact = evidence.tests_reported({
    ...target,
    report,
    format: 'junit',
    suites: [...read.suites],
    counts: read.counts,
    cases: [...read.cases],
  })
  const [result] = await deliver(host, caller.actor, [{ ...about, id: `junit/${subject}/${report}`, fact }])
  if (result?.status === 'refused' && result.code)
    return problem(reply, new DomainError(result.code, `${result.message}. A report can be uploaded in parts, suite by suite`))
  const empty = read.suites.filter(({ tests }) => tests === 0).map(({ path }) => path.join(' > '))
  const cases = read.cases.map(({ suite, name, attempts }) => ({
    name: [...suite, name].join(' > '),
    outcomes: attempts.map(({ outcome }) => outcome),
  }))
  return reply.code(200).send({
    report,
    event_id: result?.event_id,
    status: result?.status,
    receipt: receiptOf(result?.event_id ?? ''),
    ...read.counts,
    empty_suites: empty,
    cases,
  })
}

/** Where outside events come in over HTTP. */
export function intakeRoutes(app: FastifyInstance, host: Host): void {
  const hearing = createHearing()
  app.post('/v1/events', (request, reply) => events(host, request, reply))
  // CloudEvents' web-hook handshake: who asks may send, if it has a token
  app.options('/v1/events', (request, reply) =>
    reply
      .code(200)
      .headers({
        allow: 'POST, OPTIONS',
        'webhook-allowed-origin': header(request, 'webhook-request-origin') ?? '*',
        'webhook-allowed-rate': '*',
      })
      .send(),
  )
  app.post('/v1/webhooks/github', (request, reply) => github(host, request, reply))
  app.post('/v1/webhooks/alertmanager', (request, reply) => alertmanager(host, hearing, request, reply))
  app.post('/v1/evidence/junit', (request, reply) => junit(host, request, reply))
  app.get<{ Params: { id: string } }>('/v1/receipts/:id', async (request, reply) => {
    await callerOf(host, request, [])
    return reply.send(await receipt(host, request.params.id))
  })
}

/** `pending` is durable but not read yet; an id that never came is pending too: it cannot be told apart before it is read. */
export async function receipt(host: Host, eventId: string) {
  if (!/^[0-9a-f-]{36}$/.test(eventId))
    refuse('invalid', `event_id: "${eventId.slice(0, 60)}" is no event id, as in a result`, { path: 'event_id' })
  const known = await host.ledger.known(eventId)
  return {
    event_id: eventId,
    outcome: known ? 'applied' : 'pending',
    applied_at: known?.at ?? '',
    duplicates: String(known?.duplicates ?? 0),
    conflicts: String(known?.conflicts ?? 0),
  }
}
