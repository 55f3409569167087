import type { GetLoopResponse } from '@rondo/proto/intake'
import type { Event } from '@rondo/proto/ledger'
import type { Api } from '../api.ts'
import type { Terminal } from '../terminal.ts'

/** What of a fact a person wants to see beside its name: in this order, where it is there. */
const telling = ['title', 'reason', 'goal', 'text', 'verdict', 'subject', 'error_class', 'artifact', 'release', 'environment', 'state', 'outcome', 'events', 'requests', 'score', 'bound', 'signal', 'criterion'] as const
const short = (value: unknown): string => {
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value)
  const digest = /^sha256:([0-9a-f]{12})[0-9a-f]+$/.exec(text)
  return digest ? `sha256:${digest[1]}…` : text.length > 80 ? `${text.slice(0, 79)}…` : text
}

function evidence(data: string): string {
  const fields = JSON.parse(data) as Record<string, unknown>
  return telling.flatMap((name) => (fields[name] === undefined || fields[name] === null ? [] : [`${name} ${short(fields[name])}`])).join(', ')
}

const row = (terminal: Terminal, { occurred_at, type, stream_id, actor, data_json }: Event): string => {
  const [, service = '', noun = '', verb = ''] = type.split('.')
  const what = `${noun.replaceAll('_', ' ')} ${verb.replaceAll('_', ' ')}`
  return [
    `  ${terminal.dim(occurred_at.slice(0, 19).replace('T', ' '))}  ${terminal.bold(what.padEnd(28))} ${service.padEnd(12)} ${actor}`,
    `    ${terminal.dim(`${stream_id}${evidence(data_json) ? `: ${evidence(data_json)}` : ''}`)}`,
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
  const missing = unreachable.length > 0 ? [terminal.colour('yellow', `  not reached, so their part is missing: ${unreachable.join(', ')}`)] : []
  return [`${terminal.bold(requirement_id)}  ${title}  ${terminal.colour('cyan', phase)}`, '', ...shown.map((event) => row(terminal, event)), ...more, ...missing, ''].join('\n')
}

export async function loop(api: Api, terminal: Terminal, requirementId: string, all = false): Promise<void> {
  const turn = await api.rpc<GetLoopResponse>('rondo.intake.v1.Loops/GetLoop', { requirement_id: requirementId })
  const readable = { ...turn, events: turn.events.map(({ data_json, ...event }) => ({ ...event, data: JSON.parse(data_json) as unknown })) }
  terminal.data(readable, timeline(terminal, turn, all))
}
