import { createHmac } from 'node:crypto'
import type { Builds } from '@rondo/proto/builds'
import type { Requirements } from '@rondo/proto/requirements'
import { CliError } from '../exit.ts'
import { sendCdevent } from './cdevent.ts'
import { digestShort, emit, minutesAgo, type Stage } from './stage.ts'

const ada = { name: 'Ada Lovelace', email: 'ada@example.org' }
const messageOf = (requirement: string) =>
  `Wait for the bank, and pay once\n\nAn idempotency key goes with each payment; the timeout is the bank's.\n\nImplements: ${requirement}`

interface Commits {
  readonly message: string
  readonly baseAt: string
  readonly fixAt: string
}

/** What GitHub sends for a push. It does not tell the commit's parents. */
function pushBody({ base, fix, repository, run }: Stage, { message, fixAt }: Commits): string {
  const person = { ...ada, username: 'ada-example' }
  const commit = {
    id: fix,
    message,
    timestamp: fixAt,
    author: person,
    committer: person,
    url: `https://github.com/${repository.full_name}/commit/${fix}`,
  }
  return JSON.stringify({
    ref: 'refs/heads/main',
    before: base,
    after: fix,
    created: false,
    deleted: false,
    forced: false,
    repository: {
      id: Number(repository.id),
      full_name: repository.full_name,
      html_url: `https://github.com/${repository.full_name}`,
      default_branch: 'main',
      pushed_at: Math.floor(Date.parse(fixAt) / 1000),
    },
    pusher: { name: 'ada-example', email: ada.email },
    sender: { login: 'ada-example', id: 900_000_001 },
    head_commit: commit,
    commits: [commit],
    demo: run,
  })
}

/** Why the webhook cannot be played here, in words; undefined: it was taken. */
async function pushed(stage: Stage, commits: Commits): Promise<string | undefined> {
  const secret = process.env.RONDO_GITHUB_WEBHOOK_SECRET
  if (!secret) return 'RONDO_GITHUB_WEBHOOK_SECRET is not set here, so no webhook can be signed'
  const body = pushBody(stage, commits)
  const headers = {
    'content-type': 'application/json',
    'x-github-event': 'push',
    'x-github-delivery': `demo-${stage.run}`,
    'x-hub-signature-256': `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`,
  }
  try {
    await stage.as.admin.request('POST', '/v1/webhooks/github', { body, headers })
    return undefined
  } catch (error) {
    const code = error instanceof CliError ? error.details.code : undefined
    if (code === 'not_configured') return 'Rondo was started without RONDO_GITHUB_WEBHOOK_SECRET'
    if (code === 'bad_signature') return 'RONDO_GITHUB_WEBHOOK_SECRET is another one here than the one that Rondo was started with'
    throw error
  }
}

const changeOf = ({ repository }: Stage, sha: string, parents: readonly string[], message: string, at: string) => ({
  repository,
  sha,
  parents,
  parents_known: true,
  shallow: false,
  patch_id: '',
  message,
  committed_at: at,
  author: { ...ada, login: '' },
  committer: { ...ada, login: '' },
  branch: 'main',
})

/** Ada's commit names the requirement. */
async function commit(stage: Stage, requirement: string): Promise<Commits> {
  const { base, fix, run, as, tell, until } = stage
  const commits = { message: messageOf(requirement), baseAt: minutesAgo(60 * 24 * 20), fixAt: minutesAgo(30) }
  const problem = await pushed(stage, commits)
  if (problem) {
    await emit(as.ada, {
      id: `${run}/push`,
      source: `https://github.com/${stage.repository.full_name}`,
      time: commits.fixAt,
      change: changeOf(stage, fix, [base], commits.message, commits.fixAt),
    })
    tell(
      'ada',
      `commits ${fix.slice(0, 10)} with the trailer "Implements: ${requirement}". (${problem}: the commit is sent over the JSON intake instead of GitHub's webhook.)`,
    )
  } else tell('ada', `pushes ${fix.slice(0, 10)} with the trailer "Implements: ${requirement}"; GitHub sends its signed webhook.`)
  await until(`${requirement} to be in progress, because ${fix.slice(0, 10)} names it`, () =>
    phaseIs(stage, requirement, ['in_progress', 'built']),
  )
  tell('rondo', `${requirement} is in progress.`)
  return commits
}

export async function phaseIs({ as }: Stage, requirement: string, wanted: readonly string[]) {
  const { summary } = await as.barbara.rpc<Requirements['GetRequirement']['response']>(
    'rondo.requirements.v1.Requirements/GetRequirement',
    { requirement_id: requirement },
  )
  const phase = summary?.phase ?? ''
  return wanted.includes(phase) ? { found: phase } : { seen: `it is ${phase}` }
}

const report = `<testsuites>
  <testsuite name="payment">
    ${Array.from({ length: 11 }, (_, index) => `<testcase classname="payment" name="case ${index + 1}" time="0.0${index + 1}"/>`).join('\n    ')}
    <testcase classname="payment.slow-bank" name="waits for the bank, and pays once" time="1.2"/>
  </testsuite>
</testsuites>
`

/** The CI system: history of its clone, a pipeline, an artifact, a test report. */
async function pipeline(stage: Stage, { message, baseAt, fixAt }: Commits): Promise<void> {
  const { run, base, fix, fixed, service, repository, as, tell } = stage
  const source = `https://ci.example.org/${service}`
  const history = [changeOf(stage, base, [], 'The shop as it was', baseAt), changeOf(stage, fix, [base], message, fixAt)]
  const events = history.map((change) => ({ id: `${run}/history/${change.sha}`, source, time: change.committed_at, change }))
  await as.ci.rpc('rondo.intake.v1.Intake/EmitBatch', { events })
  tell('ci', 'tells the history of its clone (as "rondo import git" does): a push does not say what lies behind it.')
  const send = (what: string, subject: string, content: object) =>
    sendCdevent(as.ci, { id: `${run}/${what}`, source, what, subject, content })
  const purl = `pkg:oci/${service}@${encodeURIComponent(fixed)}`
  const change = { change: { id: fix, source: `https://github.com/${repository.full_name}` } }
  await send('pipelinerun.started', `run-${run}`, { pipelineName: 'main', url: `${source}/${run}` })
  await send('build.started', `build-${run}`, {})
  await send('build.finished', `build-${run}`, { artifactId: purl, outcome: 'success' })
  await send('artifact.packaged', purl, change)
  const counts = (await as.ci.request('POST', `/v1/evidence/junit?artifact=${encodeURIComponent(fixed)}`, {
    body: report,
    headers: { 'content-type': 'application/xml' },
  })) as { tests: number; passed: number }
  await send('artifact.published', purl, change)
  await send('pipelinerun.finished', `run-${run}`, { pipelineName: 'main', outcome: 'success' })
  tell(
    'ci',
    `builds, and publishes ${digestShort(fixed)}… with a JUnit report: ${counts.passed} of ${counts.tests} tests passed. (All of it as CDEvents.)`,
  )
}

/** A commit names the requirement, is built and tested, and the gate looks at it. */
export async function code(stage: Stage, requirement: string): Promise<void> {
  const { fixed, as, part, tell, until } = stage
  part('3. A change, a build, a verdict')
  const commits = await commit(stage, requirement)
  await pipeline(stage, commits)
  const decision = await until(`the quality gate's verdict "pass" on ${digestShort(fixed)}`, async () => {
    try {
      const { decision: latest } = await as.ada.rpc<Builds['GetGate']['response']>('rondo.builds.v1.Builds/GetGate', { artifact: fixed })
      return latest?.verdict === 'pass'
        ? { found: latest }
        : { seen: latest?.verdict ? `${latest.verdict}: ${latest.reasons.join('; ')}` : 'no verdict' }
    } catch (error) {
      if (error instanceof CliError && error.exit === 'notFound') return { seen: 'no verdict' }
      throw error
    }
  })
  const criteria = decision.criteria.map(({ id, value, threshold }) => `${id} ${value} (${threshold})`)
  tell('rondo', `the gate says ${decision.verdict}, score ${decision.score}: ${criteria.join(', ')}.`)
}
