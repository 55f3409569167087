import { setTimeout as pause } from 'node:timers/promises'
import type { Event, Intake } from '@rondo/proto/intake'
import type { Api } from '../api.ts'
import { CliError } from '../exit.ts'
import type { Session } from '../session.ts'
import { inWords } from '../span.ts'
import { batches, changeEvent, type Origin } from './change-event.ts'
import type { GitCommit } from './git-log.ts'
import { type LocalRepository, openRepository, type ShallowEnds } from './repository.ts'

export interface ImportOptions {
  readonly repository?: string
  readonly host?: string
  /** Computes patch ids too, so that a cherry-pick is found without a word of it. */
  readonly patchId?: boolean
}

type Result = Intake['EmitBatch']['response']['results'][number]
interface Refusal {
  readonly sha: string
  readonly code: string
  readonly message: string
}
interface Tally {
  commits: number
  accepted: number
  duplicates: number
  readonly refused: Refusal[]
}

const most = { items: 500, bytes: 1_000_000 }
const tries = 6

const emitBatch = async (api: Api, events: readonly Event[]): Promise<readonly Result[]> =>
  (await api.rpc<Intake['EmitBatch']['response']>('rondo.intake.v1.Intake/EmitBatch', { events })).results

const isDown = ({ code }: Result) => code === 'unavailable'

/** Sends until everything was answered; what Rondo could not make durable is sent again, with growing pauses. */
async function sent(api: Api, events: readonly Event[], signal: AbortSignal): Promise<readonly Result[]> {
  let results = await emitBatch(api, events)
  for (let attempt = 1; attempt < tries && results.some(isDown); attempt++) {
    await pause(1000 * 2 ** (attempt - 1), undefined, { signal })
    const again = await emitBatch(api, events.filter((_, index) => results[index] && isDown(results[index])))
    let next = 0
    results = results.map((one) => (isDown(one) ? (again[next++] ?? one) : one))
  }
  const down = results.find(isDown)
  if (down) throw new CliError('failed', `Rondo cannot take events now: ${down.message}`)
  return results
}

function count(tally: Tally, events: readonly Event[], results: readonly Result[]): void {
  tally.commits += events.length
  for (const [index, { status, code, message }] of results.entries()) {
    if (status === 'accepted') tally.accepted++
    else if (status === 'duplicate') tally.duplicates++
    else tally.refused.push({ sha: events[index]?.change?.sha ?? '', code, message })
  }
}

async function* events(commits: AsyncIterable<GitCommit>, origin: Origin, shallow: ShallowEnds, patchIds: ReadonlyMap<string, string>): AsyncGenerator<Event> {
  for await (const commit of commits) yield changeEvent(origin, commit, shallow, patchIds.get(commit.sha))
}

const number = (value: number) => value.toLocaleString('en')
function progressLine({ commits, duplicates }: Tally, total: number, ms: number): string {
  const rate = commits / (ms / 1000)
  const left = rate > 0 ? `, about ${inWords(((total - commits) / rate) * 1000)} left` : ''
  return `${number(commits)} of ${number(total)} commits, ${number(Math.round(rate))}/s, ${number(duplicates)} known already${left}`
}

const short = (sha: string) => sha.slice(0, 10)
function shallowNote(shallow: ShallowEnds): string | undefined {
  if (shallow.size === 0) return undefined
  const ends = [...shallow].map(([sha, parents]) => `${short(sha)} (its parent ${parents.map(short).join(', ')} is not here)`)
  return `the clone is shallow: it ends at ${ends.slice(0, 5).join('; ')}${ends.length > 5 ? ` and ${ends.length - 5} more` : ''}. What lies behind is unknown, not absent; "git fetch --unshallow" and a further import complete it`
}

function summary({ host, fullName }: LocalRepository, { commits, accepted, duplicates, refused }: Tally, ms: number): string {
  const rate = Math.round(commits / (ms / 1000))
  const known = commits > 0 && duplicates === commits ? `all ${number(commits)} commits were known already` : `${number(accepted)} new (or known better now), ${number(duplicates)} known already`
  const lines = [`${host}/${fullName}: ${number(commits)} commits in ${(ms / 1000).toFixed(1)} s (${number(rate)}/s): ${known}${refused.length > 0 ? `, ${refused.length} refused` : ''}`]
  return [...lines, ...refused.slice(0, 10).map(({ sha, message }) => `  refused ${short(sha)}: ${message}`)].join('\n')
}

/** Reads a local repository's history into changes. Sends everything each time: what is known already changes nothing. */
export async function importGit({ api, terminal, signal }: Session, path: string, { repository: named, host, patchId = false }: ImportOptions): Promise<void> {
  const repository = await openRepository(path, named, host)
  const cut = shallowNote(repository.shallow)
  if (cut) terminal.note(terminal.colour('yellow', cut))
  if (patchId) terminal.note('computing patch ids …')
  const patchIds = patchId ? await repository.patchIds(signal) : new Map<string, string>()
  const tally: Tally = { commits: 0, accepted: 0, duplicates: 0, refused: [] }
  const begin = performance.now()
  try {
    for await (const batch of batches(events(repository.commits(signal), repository, repository.shallow, patchIds), most)) {
      count(tally, batch, await sent(api, batch, signal))
      terminal.progress(progressLine(tally, repository.count, performance.now() - begin))
    }
  } catch (error) {
    if (error instanceof CliError && tally.commits > 0)
      throw new CliError(error.exit, `${error.message}; ${number(tally.commits)} of ${number(repository.count)} commits are in: the same command again goes on`, { ...error.details, commits: tally.commits })
    throw error
  }
  const ms = performance.now() - begin
  const ends = [...repository.shallow].map(([commit, parents]) => ({ commit, missing: [...parents] }))
  const { commits, accepted, duplicates, refused } = tally
  const answer = { repository: { host: repository.host, full_name: repository.fullName }, commits, accepted, duplicates, refused, shallow_ends: ends, seconds: Number((ms / 1000).toFixed(3)) }
  terminal.data(answer, summary(repository, tally, ms))
  if (refused.length > 0) throw new CliError('failed', `${refused.length} of ${commits} commits were refused`, { refused: refused.length })
}
