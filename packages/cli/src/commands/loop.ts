import type { GetLoopResponse } from '@rondo/proto/intake'
import type { Event } from '@rondo/proto/ledger'
import type { Api } from '../api.ts'
import type { Terminal } from '../terminal.ts'

/** What of a fact a person wants to see beside its name: in this order, where it is there. */
const telling = [
  'title',
  'phase',
  'reason',
  'reasons',
  'code',
  'goal',
  'subject',
  'sha',
  'text',
  'verdict',
  'score',
  'error_class',
  'artifact',
  'release',
  'requirement',
  'environment',
  'state',
  'outcome',
  'events',
  'requests',
  'bound',
  'signal',
  'criterion',
  'content_hash',
  'to',
  'team',
  'via',
] as const

/** Long names by their beginning; numbers to what can be read. */
function short(value: unknown): string {
  if (typeof value === 'number') return String(Number(value.toPrecision(4)))
  const text = typeof value === 'string' ? value : Array.isArray(value) ? value.join('; ') : JSON.stringify(value)
  const known = text.replace(/\bsha256:([0-9a-f]{12})[0-9a-f]+\b/g, 'sha256:$1…').replace(/\b([0-9a-f]{10})[0-9a-f]{30,54}\b/g, '$1…')
  return known.length > 120 ? `${known.slice(0, 119).toWellFormed()}…` : known
}

/** An empty list of reasons is no reason. */
const isEmpty = (value: unknown): boolean => value === undefined || value === null || (Array.isArray(value) && value.length === 0)

/** What it rests on: fields that tell something, and not the stream's own id again. */
function evidence({ stream_id, data_json }: Event): string {
  const fields = JSON.parse(data_json) as Record<string, unknown>
  return telling
    .filter((name) => !isEmpty(fields[name]) && fields[name] !== stream_id)
    .map((name) => `${name.replaceAll('_', ' ')} ${short(fields[name])}`)
    .join(', ')
}

function row(terminal: Terminal, event: Event): string {
  const { occurred_at, type, stream_id, actor } = event
  const [, service = '', noun = '', verb = ''] = type.split('.')
  const what = `${noun.replaceAll('_', ' ')} ${verb.replaceAll('_', ' ')}`
  const details = evidence(event)
  return [
    `  ${terminal.dim(occurred_at.slice(0, 19).replace('T', ' '))}  ${terminal.bold(what.padEnd(28))} ${service.padEnd(12)} ${actor}`,
    `    ${terminal.dim(`${short(stream_id)}${details ? `: ${details}` : ''}`)}`,
  ].join('\n')
}

/** Copies that a service keeps of what another one said: nothing happened there that is not told already. */
const bookkeeping: ReadonlySet<string> = new Set([
  'rondo.feedback.entry.published',
  'rondo.feedback.turn.titled',
  'rondo.feedback.turn.decided',
  'rondo.feedback.turn.moved',
  'rondo.operations.signal.requirement_linked',
  'rondo.operations.signal.release_marked',
  'rondo.builds.placement.deployed',
  'rondo.releases.release.part_seen',
  'rondo.releases.release.contents_set',
  'rondo.releases.release.gate_seen',
  'rondo.releases.deployment.resolved',
  'rondo.requirements.requirement.proof_opened',
])

/** The turn as a timeline: who did what, when, on which evidence. Bookkeeping between the services only where `all` is wanted. */
export function timeline(terminal: Terminal, { requirement_id, title, phase, events, unreachable }: GetLoopResponse, all = false): string {
  const shown = all ? events : events.filter(({ type }) => !bookkeeping.has(type))
  const left = events.length - shown.length
  const more = left > 0 ? [terminal.dim(`  ${left} more are bookkeeping between the services; --all shows them`)] : []
  const missing =
    unreachable.length > 0 ? [terminal.colour('yellow', `  not reached, so their part is missing: ${unreachable.join(', ')}`)] : []
  return [
    `${terminal.bold(requirement_id)}  ${title}  ${terminal.colour('cyan', phase)}`,
    '',
    ...shown.map((event) => row(terminal, event)),
    ...more,
    ...missing,
    '',
  ].join('\n')
}

export async function loop(api: Api, terminal: Terminal, requirementId: string, all = false): Promise<void> {
  const turn = await api.rpc<GetLoopResponse>('rondo.intake.v1.Loops/GetLoop', { requirement_id: requirementId })
  const readable = { ...turn, events: turn.events.map(({ data_json, ...event }) => ({ ...event, data: JSON.parse(data_json) as unknown })) }
  terminal.data(readable, timeline(terminal, turn, all))
}
