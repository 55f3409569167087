import type { Intake } from '@rondo/proto/intake'
import { CliError } from '../exit.ts'
import type { Session } from '../session.ts'
import { examples, openFields } from './examples.ts'
import { withSetting } from './setting.ts'

export interface EmitOptions {
  readonly example: string
  readonly set?: readonly string[]
  /** Show it, send nothing. */
  readonly print?: boolean
}

type Result = NonNullable<Intake['Emit']['response']['result']>

async function send({ api }: Session, to: 'alertmanager' | 'intake', body: object): Promise<readonly Result[]> {
  if (to === 'intake') {
    const { result } = await api.rpc<Intake['Emit']['response']>('rondo.intake.v1.Intake/Emit', { event: body })
    return result ? [result] : []
  }
  const answer = await api.request('POST', '/v1/webhooks/alertmanager', {
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
  })
  return (answer as { results: readonly Result[] }).results
}

/** Sends what a monitoring system or CI job would send: for trying things out. */
export async function emit(session: Session, { example, set = [], print = false }: EmitOptions): Promise<void> {
  const chosen = examples[example]
  if (!chosen) throw new CliError('usage', `--example: there is no "${example}"; there are ${Object.keys(examples).join(', ')}`)
  const body = set.reduce((changed, setting) => withSetting(changed, setting, openFields), chosen.body(new Date()))
  if (print) return session.terminal.data(body, JSON.stringify(body, null, 2))
  const results = await send(session, chosen.to, body)
  const lines = results.map(({ status, receipt, message }) => `${status}${receipt ? `  ${receipt}` : ''}${message ? `  ${message}` : ''}`)
  session.terminal.data({ results }, lines.join('\n'))
  const refused = results.find(({ status }) => status === 'refused')
  if (refused) throw new CliError('failed', refused.message, { code: refused.code, path: refused.path })
}
