import { CliError, type Exit } from '../exit.ts'
import { type Look, patiently } from '../patience.ts'
import type { Session } from '../session.ts'
import { inWords } from '../span.ts'
import { type Answer, type Target, targets } from './wait-targets.ts'

export interface WaitOptions {
  /** Milliseconds; 0: one look. */
  readonly timeout: number
  readonly failFast: boolean
  readonly environment: string
}

const everyMs = 500

const sentence = ({ state, unmet }: Answer): string => [state, ...unmet.map((one) => `  - ${one}`)].join('\n')

function end(target: Target, answer: Answer, exit: Exit, words: string): CliError {
  return new CliError(exit, `${words}: ${sentence(answer)}`, {
    target: target.name,
    id: target.id,
    state: answer.state,
    unmet: answer.unmet,
  })
}

/**
 * Waits until a gate allows, a release is deployed, a proof has verified. With `failFast` what is refused ends it at once; without,
 * it may still change (a waiver, a further report), until the time is up. The error names everything that is not met.
 */
export async function wait(
  { api, terminal, signal }: Session,
  name: string,
  id: string,
  { timeout, failFast, environment }: WaitOptions,
): Promise<void> {
  const make = targets[name]
  if (!make) throw new CliError('usage', `there is nothing to wait for called "${name}"; there are ${Object.keys(targets).join(', ')}`)
  const target = make(api, id, environment)
  let last: Answer = { outcome: 'pending', state: 'not looked yet', unmet: [] }
  const look = async (): Promise<Look<Answer>> => {
    last = await target.look()
    if (last.outcome === 'met') return { found: last }
    if (last.outcome === 'failed' || (last.outcome === 'refused' && failFast)) throw end(target, last, last.outcome, target.what)
    terminal.progress(`waiting for ${target.what}: ${last.state}${last.unmet.length > 0 ? ` (${last.unmet.length} not met)` : ''}`)
    return { seen: last.state }
  }
  try {
    await patiently({ what: target.what, within: timeout, every: everyMs, signal }, look)
  } catch (error) {
    if (!(error instanceof CliError) || error.exit !== 'timedOut') throw error
    if (last.outcome === 'refused') throw end(target, last, 'refused', target.what)
    throw timeout === 0
      ? end(target, last, 'pending', target.what)
      : end(target, last, 'timedOut', `waited ${inWords(timeout)} for ${target.what}`)
  }
  terminal.data({ target: name, id, state: last.state }, `${terminal.colour('green', '✓')} ${last.state}`)
}
