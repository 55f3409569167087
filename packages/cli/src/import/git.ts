import { setTimeout as pause } from 'node:timers/promises'
import type { Builds } from '@rondo/proto/builds'
import type { Event, Intake } from '@rondo/proto/intake'
import type { Api } from '../api.ts'
import { CliError } from '../exit.ts'
import { patiently } from '../patience.ts'
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
  /** Waits until what was sent is read, so that questions about it have their answers. */
  readonly wait?: boolean
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
  /** The last that were taken: once they are read, all is. */
  taken: { readonly receipt: string; readonly sha: string; readonly shallow: boolean }[]
}

const most = { items: 500, bytes: 1_000_000 }
const tries = 6
/** Enough that each partition of the bus is among them. */
const lastOnes = 24
/** Milliseconds: reading goes on by itself after that. */
const readWithin = 600_000

/** Whether Rondo has read it, and what it says now is what was sent. */
async function isRead(api: Api, { receipt, sha, shallow }: Tally['taken'][number]): Promise<boolean> {
  const { outcome } = (await api.request('GET', receipt)) as { outcome: string }
  if (outcome !== 'applied') return false
  try {
    const { change } = await api.rpc<Builds['GetChange']['response']>('rondo.builds.v1.Builds/GetChange', { commit: sha })
    return change?.parents_known === true && (shallow || !change.shallow)
  } catch (error) {
    if (error instanceof CliError && error.exit === 'notFound') return false
    throw error
  }
}

/** Waits until the last ones are read. False: it takes longer, and goes on without us. */
async function allRead({ api, terminal, signal }: Session, { taken }: Tally): Promise<boolean> {
  const open = [...taken]
  const begin = performance.now()
  try {
    return await patiently({ what: 'Rondo to read them', within: readWithin, every: 250, signal }, async () => {
      while (open[0] && (await isRead(api, open[0]))) open.shift()
      if (open.length > 0) terminal.progress(`all are stored; Rondo reads them (${inWords(performance.now() - begin)})`)
      return open.length === 0 ? { found: true } : {}
    })
  } catch (error) {
    if (error instanceof CliError && error.exit === 'timedOut') return false
    throw error
  }
}

const emitBatch = async (api: Api, events: readonly Event[]): Promise<readonly Result[]> =>
  (await api.rpc<Intake['EmitBatch']['response']>('rondo.intake.v1.Intake/EmitBatch', { events })).results

const isDown = ({ code }: Result) => code === 'unavailable' || code === 'overloaded'

/** Sends until everything was answered; what Rondo could not make durable is sent again, with growing pauses. */
async function sent(api: Api, events: readonly Event[], signal: AbortSignal): Promise<readonly Result[]> {
  let results = await emitBatch(api, events)
  for (let attempt = 1; attempt < tries && results.some(isDown); attempt++) {
    await pause(1000 * 2 ** (attempt - 1), undefined, { signal })
    const again = await emitBatch(
      api,
      events.filter((_, index) => results[index] && isDown(results[index])),
    )
    let next = 0
    results = results.map((one) => (isDown(one) ? (again[next++] ?? one) : one))
  }
  const down = results.find(isDown)
  if (down) throw new CliError('failed', `Rondo cannot take events now: ${down.message}`)
  return results
}

function count(tally: Tally, events: readonly Event[], results: readonly Result[]): void {
  tally.commits += events.length
  for (const [index, { status, code, message, receipt }] of results.entries()) {
    const { sha = '', shallow = false } = events[index]?.change ?? {}
    if (status === 'accepted') {
      tally.accepted++
      tally.taken.push({ receipt, sha, shallow })
    } else if (status === 'duplicate') tally.duplicates++
    else tally.refused.push({ sha, code, message })
  }
  tally.taken = tally.taken.slice(-lastOnes)
}

async function* events(
  commits: AsyncIterable<GitCommit>,
  origin: Origin,
  shallow: ShallowEnds,
  patchIds: ReadonlyMap<string, string>,
): AsyncGenerator<Event> {
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
  const known =
    commits > 0 && duplicates === commits
      ? `all ${number(commits)} commits were known already`
      : `${number(accepted)} new or known better now, ${number(duplicates)} known already`
  const lines = [
    `${host}/${fullName}: ${number(commits)} commits in ${(ms / 1000).toFixed(1)} s (${number(rate)}/s): ${known}${refused.length > 0 ? `, ${refused.length} refused` : ''}`,
  ]
  return [...lines, ...refused.slice(0, 10).map(({ sha, message }) => `  refused ${short(sha)}: ${message}`)].join('\n')
}

async function sendAll(
  session: Session,
  repository: LocalRepository,
  patchIds: ReadonlyMap<string, string>,
): Promise<{ tally: Tally; ms: number }> {
  const { api, terminal, signal } = session
  const tally: Tally = { commits: 0, accepted: 0, duplicates: 0, refused: [], taken: [] }
  const begin = performance.now()
  try {
    for await (const batch of batches(events(repository.commits(signal), repository, repository.shallow, patchIds), most)) {
      count(tally, batch, await sent(api, batch, signal))
      terminal.progress(progressLine(tally, repository.count, performance.now() - begin))
    }
  } catch (error) {
    if (!(error instanceof CliError) || tally.commits === 0) throw error
    const where = `${number(tally.commits)} of ${number(repository.count)} commits are in: the same command again goes on`
    throw new CliError(error.exit, `${error.message}; ${where}`, { ...error.details, commits: tally.commits })
  }
  return { tally, ms: performance.now() - begin }
}

/** Reads a local repository's history into changes. Sends everything each time: what is known already changes nothing. */
export async function importGit(
  session: Session,
  path: string,
  { repository: named, host, patchId = false, wait = true }: ImportOptions,
): Promise<void> {
  const { terminal, signal } = session
  const repository = await openRepository(path, named, host)
  const cut = shallowNote(repository.shallow)
  if (cut) terminal.note(terminal.colour('yellow', cut))
  if (patchId) terminal.note('computing patch ids …')
  const patchIds = patchId ? await repository.patchIds(signal) : new Map<string, string>()
  const { tally, ms } = await sendAll(session, repository, patchIds)
  const read = tally.taken.length === 0 || (wait && (await allRead(session, tally)))
  const { commits, accepted, duplicates, refused } = tally
  const answer = {
    repository: { host: repository.host, full_name: repository.fullName },
    commits,
    accepted,
    duplicates,
    refused,
    shallow_ends: [...repository.shallow].map(([commit, parents]) => ({ commit, missing: [...parents] })),
    seconds: Number((ms / 1000).toFixed(3)),
    read,
  }
  terminal.data(answer, `${summary(repository, tally, ms)}${read ? '' : '\nthey are stored; Rondo is still reading them'}`)
  if (refused.length > 0) throw new CliError('failed', `${refused.length} of ${commits} commits were refused`, { refused: refused.length })
}
