import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Role } from '@rondo/runtime'
import { shared } from '@rondo/testkit'
import { type Answer, type Client, webhookSecret } from './client.ts'

/** Whatever Rondo the steps are played on. */
type Stage = Client & {
  settled(): Promise<void>
}

interface Step {
  readonly do: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: unknown
  readonly body_text?: string
}
interface Case {
  readonly name: string
  readonly steps: readonly Step[]
}

type Fields = Readonly<Record<string, unknown>>
interface Call {
  readonly method: string
  readonly fields: (given: Fields) => object
}

const as = (method: string, rename: Readonly<Record<string, string>> = {}): Call => ({
  method,
  fields: (given) => Object.fromEntries(Object.entries(given).map(([name, value]) => [rename[name] ?? name, value])),
})

/** The cases' descriptions of calls, as Rondo's own. */
const calls: Readonly<Record<string, Call>> = {
  'rondo.operations.v1.Operations/PutService': {
    method: 'rondo.operations.v1.Operations/PutService',
    fields: ({ repository, artifact, ...rest }) => ({
      ...rest,
      repositories: repository ? [repository] : [],
      artifacts: artifact ? [artifact] : [],
    }),
  },
  'rondo.operations.v1.Operations/PutPerson': {
    method: 'rondo.intake.v1.People/PutPerson',
    fields: ({ github_id, ...rest }) => ({ ...rest, github_id: String(github_id) }),
  },
  'rondo.operations.v1.Operations/DeclareIncident': as('rondo.operations.v1.Operations/DeclareIncident', { id: 'incident_id' }),
  'rondo.operations.v1.Operations/ResolveIncident': as('rondo.operations.v1.Operations/ResolveIncident', { id: 'incident_id' }),
  'rondo.operations.v1.Operations/AttributeIncident': {
    method: 'rondo.operations.v1.Operations/AttributeIncident',
    fields: ({ id, cause, reason }) => ({
      incident_id: id,
      cause: 'deployment',
      artifact: (cause as { deployment_artifact: string }).deployment_artifact,
      reason,
    }),
  },
  'rondo.releases.v1.Releases/Create': as('rondo.releases.v1.Releases/Create', { id: 'release_id' }),
  'rondo.releases.v1.Releases/Approve': as('rondo.releases.v1.Releases/Approve', { id: 'release_id' }),
  'rondo.builds.v1.Builds/GetTestRun': as('rondo.builds.v1.Builds/GetTestRun', { id: 'run_id' }),
  'rondo.builds.v1.Builds/PutPolicy': as('rondo.builds.v1.Builds/PutPolicy', { policy: 'yaml' }),
}

const roleOf = (text: string): Role => text.replace('-', '_') as Role
/** `ada:developer`, `alertmanager`, `admin`. */
async function tokenOf(rondo: Stage, words: string): Promise<string> {
  const [actor = '', role] = words.split(':')
  if (words === 'admin') return rondo.token('admin', 'admin')
  if (!role || actor === 'ci') return rondo.token(`service:${actor}`, roleOf(role ?? 'reporter'))
  return rondo.token(`${actor}@example.org`, roleOf(role))
}

const marker = /\{\{([^}]+)\}\}/g
async function filled(rondo: Stage, text: string, raw: string): Promise<string> {
  const found = [...text.matchAll(marker)]
  const values = await Promise.all(
    found.map(async ([, words = '']) => {
      if (words === 'signature') return `sha256=${createHmac('sha256', webhookSecret).update(raw).digest('hex')}`
      if (words.startsWith('token:')) return tokenOf(rondo, words.slice('token:'.length))
      const [, release] = /^content_hash of (.+)$/.exec(words) ?? []
      if (release)
        return (await rondo.rpc('rondo.releases.v1.Releases/GetRelease', { release_id: release })).body.release.content_hash as string
      throw new Error(`nobody knows what {{${words}}} stands for`)
    }),
  )
  return found.reduce((done, [whole], index) => done.replace(whole, values[index] ?? ''), text)
}

async function filledIn(rondo: Stage, headers: Readonly<Record<string, string>>, raw: string): Promise<Record<string, string>> {
  const entries = await Promise.all(Object.entries(headers).map(async ([name, value]) => [name, await filled(rondo, value, raw)] as const))
  return Object.fromEntries(entries)
}

/** Does one step: a call, a request. Faults and commands are each test's own. */
export async function step(rondo: Stage, { do: what, headers = {}, body, body_text }: Step): Promise<Answer> {
  const [kind = '', target = ''] = what.split(' ')
  if (kind === 'rpc') {
    const { method, fields } = calls[target] ?? as(target)
    const request = await filled(rondo, JSON.stringify(fields(body as Fields)), '')
    const { Authorization = '' } = await filledIn(rondo, headers, '')
    await rondo.settled()
    return rondo.rpc(method, JSON.parse(request) as object, Authorization.replace('Bearer ', ''))
  }
  if (kind !== 'POST' && kind !== 'GET') throw new Error(`"${what}" is for the test itself`)
  const raw = body_text ?? (body === undefined ? '' : JSON.stringify(body))
  return rondo.send(kind, target, { ...(kind === 'POST' ? { body: raw } : {}), headers: await filledIn(rondo, headers, raw) })
}

export const caseOf = (name: string): Case => JSON.parse(readFileSync(shared('cases', `${name}.json`), 'utf8')) as Case

/** All steps in their order. */
export async function play(rondo: Stage, name: string): Promise<readonly Answer[]> {
  const answers: Answer[] = []
  for (const one of caseOf(name).steps) answers.push(await step(rondo, one))
  return answers
}
