import { createHash, randomBytes } from 'node:crypto'
import type { Api } from '../api.ts'
import { CliError } from '../exit.ts'
import { type Look, patiently } from '../patience.ts'
import type { Session } from '../session.ts'
import { cast, engage, type Player, type Players } from './cast.ts'

/** Milliseconds: no step takes a second on a machine that is not overloaded. */
const patienceMs = 30_000

/** What one run of the demo plays with; ids of its own, so that it can be run again beside what was there. */
export interface Stage {
  readonly run: string
  readonly service: string
  /** Full name at the code host. */
  readonly repository: { readonly host: string; readonly full_name: string; readonly id: string }
  /** The artifact that fails, and the one with the fix. */
  readonly old: string
  readonly fixed: string
  /** The commits before and with the fix. */
  readonly base: string
  readonly fix: string
  readonly as: Players
  /** A new part of the story. */
  part(title: string): void
  /** What somebody did, in plain words. */
  tell(who: Player | 'rondo' | 'customer', text: string): void
  /** Looks until it is there; the error of a timeout names `what`. */
  until<Value>(what: string, look: () => Promise<Look<Value>>): Promise<Value>
}

const names = {
  ...Object.fromEntries(Object.entries(cast).map(([player, { name }]) => [player, name])),
  rondo: 'Rondo',
  customer: 'a customer',
} as Readonly<Record<Player | 'rondo' | 'customer', string>>
const hash = (kind: 'sha1' | 'sha256', ...of: readonly string[]) => createHash(kind).update(of.join('/')).digest('hex')

export const digestShort = (digest: string): string => digest.slice(0, 19)
/** An ISO time so many minutes ago. */
export const minutesAgo = (minutes: number): string => new Date(Date.now() - minutes * 60_000).toISOString()

export async function setStage({ api, terminal, signal }: Session): Promise<Stage> {
  const run = randomBytes(3).toString('hex')
  const as = await engage(api)
  return {
    run,
    service: `shop-${run}`,
    repository: { host: 'github.com', full_name: `example/shop-${run}`, id: String(Number.parseInt(run, 16)) },
    old: `sha256:${hash('sha256', run, 'old')}`,
    fixed: `sha256:${hash('sha256', run, 'fixed')}`,
    base: hash('sha1', run, 'base'),
    fix: hash('sha1', run, 'fix'),
    as,
    part: (title) => terminal.line(`\n${terminal.bold(title)}`),
    tell: (who, text) => terminal.line(`  ${terminal.colour(who === 'rondo' ? 'cyan' : 'green', names[who].padEnd(16))} ${text}`),
    until: (what, look) => patiently({ what, within: patienceMs, signal }, look),
  }
}

/** The refusal that has to come. Were it allowed, the demo would have shown a hole. */
export async function refused(asked: Promise<unknown>, code: string): Promise<CliError> {
  const error = await asked.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (error instanceof CliError && error.details.code === code) return error
  if (error) throw error
  throw new CliError('failed', `this should have been refused (${code}) and was not`)
}

/** One event, as a service or CI job emits it. */
export const emit = (api: Api, event: object): Promise<unknown> => api.rpc('rondo.intake.v1.Intake/Emit', { event })
