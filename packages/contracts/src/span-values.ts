import type { Repository, TestCase, TestCounts } from './values.ts'

export type SpanValue = string | number | boolean | undefined
export type SpanAttributes = Readonly<Record<string, SpanValue>>
/** A span below that of the handling. */
export interface Stage {
  readonly name: string
  readonly kind: 'server' | 'internal'
  /** The service whose stage of the loop it is: of all that read the fact, one makes the span. */
  readonly of: string
}

const providers: readonly string[] = ['github', 'gitlab', 'bitbucket', 'gitea']
const hostName = /^[\w-]+(\.[\w-]+)+(:\d+)?$/

interface Head {
  readonly revision?: string | undefined
  readonly branch?: string | undefined
}

/** A repository, and the commit or branch in it. The URL only where the host is one: an imported folder has none. */
export function vcs(repository: Repository | undefined, { revision, branch }: Head): SpanAttributes {
  const head = { 'vcs.ref.head.revision': revision, 'vcs.ref.head.name': branch, 'vcs.ref.head.type': branch ? 'branch' : undefined }
  if (!repository) return head
  const { host, full_name } = repository
  const parts = full_name.split('/')
  return {
    ...head,
    'vcs.provider.name': providers.find((name) => host.split('.').includes(name)),
    'vcs.owner.name': parts.length > 1 ? parts.slice(0, -1).join('/') : undefined,
    'vcs.repository.name': parts.at(-1),
    'vcs.repository.url.full': hostName.test(host) ? `https://${host}/${full_name}` : undefined,
  }
}

interface Build {
  readonly build: string
  readonly kind: string
  readonly name: string
  readonly phase: 'queued' | 'started' | 'finished'
  readonly outcome?: string | undefined
  readonly url?: string | undefined
}
const results: Readonly<Record<string, string>> = { cancelled: 'cancellation', skipped: 'skip', timed_out: 'timeout' }
const states = { queued: 'pending', started: 'executing', finished: undefined } as const
const taskTypes: Readonly<Record<string, string>> = { build: 'build', check: 'test' }

/** A pipeline's run, or one of its tasks. */
export function pipeline({ build, kind, name, phase, outcome, url }: Build): SpanAttributes {
  const result = phase === 'finished' && outcome ? (results[outcome] ?? outcome) : undefined
  if (kind === 'pipeline') {
    return {
      'cicd.pipeline.name': name,
      'cicd.pipeline.action.name': 'BUILD',
      'cicd.pipeline.run.id': build,
      'cicd.pipeline.run.url.full': url,
      'cicd.pipeline.run.state': states[phase],
      'cicd.pipeline.result': result,
    }
  }
  return {
    'cicd.pipeline.task.name': name,
    'cicd.pipeline.task.type': taskTypes[kind],
    'cicd.pipeline.task.run.id': build,
    'cicd.pipeline.task.run.url.full': url,
    'cicd.pipeline.task.run.result': result,
  }
}

export const buildSpan = ({ kind, name }: Build): Stage =>
  kind === 'pipeline' ? { name: `BUILD ${name}`, kind: 'server', of: 'builds' } : { name, kind: 'internal', of: 'builds' }

interface Report {
  readonly suites: readonly { readonly path: readonly string[] }[]
  readonly counts: TestCounts
  readonly cases: readonly TestCase[]
}
const failing = ({ attempts }: TestCase): boolean => ['failed', 'error'].includes(attempts.at(-1)?.outcome ?? '')

/** A report is many cases: named is the first that failed. Its suite is the outermost. */
export function suite({ suites, counts, cases }: Report): SpanAttributes {
  const failed = cases.find(failing)
  const bad = counts.failed + counts.errors > 0
  return {
    'test.suite.name': suites[0]?.path[0],
    'test.suite.run.status': bad ? 'failure' : counts.passed > 0 ? 'success' : 'skipped',
    'test.case.name': failed?.name,
    'test.case.result.status': failed ? 'fail' : undefined,
    'rondo.test.total': counts.tests,
    'rondo.test.passed': counts.passed,
    'rondo.test.failed': counts.failed + counts.errors,
  }
}

interface Deployment {
  readonly deployment: string
  readonly state: string
  readonly environment: string
  readonly service?: string | undefined
  readonly artifact_name?: string | undefined
  readonly artifact?: string | undefined
  readonly revision?: string | undefined
  readonly url?: string | undefined
}

/** The conventions know two ends of a deployment; Rondo's own word is always there. */
export const deploymentSpan = ({ deployment, state, environment, service, ...rest }: Deployment): SpanAttributes => ({
  'deployment.id': deployment,
  'deployment.name': rest.artifact_name ?? service,
  'deployment.status': ['succeeded', 'failed'].includes(state) ? state : undefined,
  'rondo.deployment.state': state,
  'deployment.environment.name': environment,
  'service.name': service,
  'service.version': rest.revision ?? rest.artifact,
  'artifact.hash': rest.artifact,
  'cicd.pipeline.action.name': 'SYNC',
  'cicd.pipeline.task.type': 'deploy',
  'cicd.pipeline.task.run.url.full': rest.url,
})
