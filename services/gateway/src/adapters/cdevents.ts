import { artifact, build, change, deployment, testRun } from '@rondo/contracts/intake'
import { DomainError, type Fact, type Instant } from '@rondo/kernel'
import { PackageURL } from 'packageurl-js'
import { z } from 'zod'
import { type Adapted, notInFuture, read, time } from './adapter.ts'
import type { CloudEvent } from './cloudevent.ts'

const reference = z.looseObject({ id: z.string().min(1), source: z.string().optional() })
const content = z.looseObject({})
const cdevent = z.looseObject({
  context: z.looseObject({
    /** Up to 0.4 `version`, from 0.5 `specversion`. */
    version: z.string().optional(),
    specversion: z.string().optional(),
    id: z.string().min(1),
    source: z.string().min(1),
    type: z.string(),
    timestamp: time,
  }),
  subject: z.looseObject({ id: z.string().min(1), source: z.string().optional(), content: content.default({}) }),
})
type Cdevent = z.output<typeof cdevent>

const typePattern = /^dev\.cdevents\.([a-z]+)\.([a-z]+)\.(\d+\.\d+\.\d+)(-draft)?$/
const supportedSpec = /^0\.[3456]\./

const outcomes = {
  success: 'success',
  pass: 'success',
  failure: 'failure',
  fail: 'failure',
  cancel: 'cancelled',
  skip: 'skipped',
  error: 'error',
} as const
const outcome = z.enum(Object.keys(outcomes) as [keyof typeof outcomes])
const at = ['data', 'subject', 'content'] as const

/** `pkg:oci/shop@sha256%3A…`: an artifact is known by its digest, its name is the rest. */
function artifactOf(purl: string, path: string): { digest: string; name: string; version?: string } {
  let parsed: PackageURL
  try {
    parsed = PackageURL.fromString(purl)
  } catch (error) {
    throw new DomainError(
      'invalid',
      `${path}: "${purl}" is no package URL such as pkg:oci/shop@sha256%3A…: ${error instanceof Error ? error.message : error}`,
      { path },
    )
  }
  const { type, namespace, name, version, qualifiers } = parsed
  const digest = [version, qualifiers?.digest, ...(qualifiers?.checksum?.split(',') ?? [])].find(
    (text) => text && /^[a-z0-9]+:[0-9a-f]{32,}$/.test(text),
  )
  if (!digest)
    throw new DomainError(
      'unsupported',
      `${path}: "${purl}" names no digest (pkg:oci/shop@sha256%3A… or ?checksum=sha256:…); by a version alone an artifact is not known`,
      { path },
    )
  const base = new PackageURL(type, namespace, name, undefined, undefined, undefined).toString()
  return { digest, name: base, ...(version && version !== digest ? { version } : {}) }
}

function repositoryOf(source: string | undefined) {
  if (!source || !URL.canParse(source)) return {}
  const { host, pathname } = new URL(source)
  const full_name = pathname.replace(/^\/|\/$|\.git$/g, '')
  return full_name ? { repository: { host, full_name } } : {}
}

type Phase = 'queued' | 'started' | 'finished'
type Maker = (event: Cdevent, source: string, predicate: string) => Fact

const runContent = z.looseObject({
  outcome: outcome.optional(),
  pipelineName: z.string().optional(),
  taskName: z.string().optional(),
  uri: z.string().optional(),
  // As it was called before CDEvents 0.4, and still is by many
  url: z.string().optional(),
})

const run =
  (kind: 'pipeline' | 'task' | 'build'): Maker =>
  ({ subject }, source, predicate) => {
    const given = read(runContent, subject.content, at)
    // CDEvents' build.finished has no outcome: finished is not passed
    const result = predicate === 'finished' ? { outcome: given.outcome ? outcomes[given.outcome] : ('neutral' as const) } : {}
    const name = given.pipelineName ?? given.taskName ?? subject.id
    const url = given.uri ?? given.url
    return build.observed({
      source,
      build: subject.id,
      kind,
      name,
      attempt: 1,
      phase: predicate as Phase,
      ...result,
      ...(url ? { url } : {}),
    })
  }

const named = z.looseObject({ id: z.string().optional(), name: z.string().optional() }).optional()
const testContent = z.looseObject({ outcome: outcome.optional(), environment: reference.optional(), testSuite: named, testCase: named })

const test =
  (kind: 'suite' | 'case'): Maker =>
  ({ subject }, source, predicate) => {
    const given = read(testContent, subject.content, at)
    const suite = given.testSuite?.name ?? given.testSuite?.id ?? given.testCase?.name ?? given.testCase?.id
    return testRun.observed({
      source,
      run: subject.id,
      kind,
      phase: predicate as Phase | 'skipped',
      ...(predicate === 'finished' ? { outcome: given.outcome ? outcomes[given.outcome] : ('neutral' as const) } : {}),
      ...(predicate === 'skipped' ? { outcome: 'skipped' as const } : {}),
      ...(suite ? { suite } : {}),
      ...(given.environment ? { environment: given.environment.id } : {}),
    })
  }

const artifactContent = z.looseObject({ change: reference.optional(), sbom: z.looseObject({ uri: z.string() }).optional() })

const artifacts: Maker = ({ subject }, source, predicate) => {
  const given = read(artifactContent, subject.content, at)
  const revision = given.change && /^[0-9a-f]{40}([0-9a-f]{24})?$/.test(given.change.id) ? { revision: given.change.id } : {}
  return artifact.observed({
    source,
    ...artifactOf(subject.id, 'data.subject.id'),
    phase: predicate as 'packaged' | 'signed' | 'published' | 'downloaded' | 'deleted',
    ...revision,
    ...repositoryOf(given.change?.source),
    ...(given.sbom ? { sbom_uri: given.sbom.uri } : {}),
  })
}

const deploymentContent = z.looseObject({ environment: reference, artifactId: z.string().optional() })

const deployments =
  (state: 'succeeded' | 'removed', { returned }: { readonly returned?: true } = {}): Maker =>
  ({ context, subject }, source) => {
    const given = read(deploymentContent, subject.content, at)
    const shipped = given.artifactId ? artifactOf(given.artifactId, 'data.subject.content.artifactId') : undefined
    return deployment.observed({
      source,
      deployment: context.id,
      service: subject.id,
      environment: given.environment.id,
      ...(shipped ? { artifact: shipped.digest, artifact_name: shipped.name } : {}),
      state,
      // its subject is the service, and it has no id of what was deployed
      ...(state === 'removed' ? { whole_service: true } : {}),
      ...(returned ? { returned } : {}),
    })
  }

const changeContent = z.looseObject({ repository: reference.optional(), description: z.string().optional() })

const merged: Maker = ({ context, subject }) => {
  const given = read(changeContent, subject.content, at)
  const source = given.repository?.source ?? subject.source ?? context.source
  if (!/^[0-9a-f]{40}([0-9a-f]{24})?$/.test(subject.id))
    throw new DomainError('unsupported', `data.subject.id: "${subject.id}" is no commit id; a change is known by its commit`, {
      path: 'data.subject.id',
    })
  const full_name = given.repository?.id ?? repositoryOf(source).repository?.full_name ?? source
  const host = URL.canParse(source) ? new URL(source).host : source
  return change.observed({
    repository: { host, full_name },
    sha: subject.id,
    message: given.description ?? '',
    committed_at: context.timestamp,
    contributors: [],
  })
}

/** CDEvents by subject and predicate. Their own versions move separately; what is read stands in all of them. */
const makers: Readonly<Record<string, Maker>> = {
  ...Object.fromEntries(
    ['queued', 'started', 'finished'].flatMap((predicate) => [
      [`pipelinerun.${predicate}`, run('pipeline')],
      [`taskrun.${predicate}`, run('task')],
      [`build.${predicate}`, run('build')],
    ]),
  ),
  ...Object.fromEntries(
    ['queued', 'started', 'finished', 'skipped'].flatMap((predicate) => [
      [`testsuiterun.${predicate}`, test('suite')],
      [`testcaserun.${predicate}`, test('case')],
    ]),
  ),
  ...Object.fromEntries(
    ['packaged', 'signed', 'published', 'downloaded', 'deleted'].map((predicate) => [`artifact.${predicate}`, artifacts]),
  ),
  'service.deployed': deployments('succeeded'),
  'service.upgraded': deployments('succeeded'),
  // it names the version that runs again, not the deployment that was taken back
  'service.rolledback': deployments('succeeded', { returned: true }),
  'service.removed': deployments('removed'),
  'change.merged': merged,
}

/** Well-formed CDEvents that Rondo does not use so far, and why; the reference shows this table. */
export const unsupportedCdevents: Readonly<Record<string, string>> = {
  'approval.*': "an approval outside is not Rondo's: approve the release in Rondo",
  'branch.*': 'says of no commit; a push webhook does',
  'change.abandoned': "proposals come with the code host's webhook",
  'change.created': "proposals come with the code host's webhook",
  'change.reviewed': 'reviews are not evidence yet',
  'change.updated': "proposals come with the code host's webhook",
  'environment.*': 'environments are declared by Releases/PutEnvironment',
  'incident.*': 'incidents are declared by Operations/DeclareIncident, alerts come by webhook',
  'repository.*': 'repositories become known with their first change',
  'service.published': 'says where a service can be reached, not what runs',
  'testoutput.*': 'reports are uploaded to /v1/evidence',
  'ticket.*': "issues come with the tracker's webhook",
}

function makerOf(type: string): { maker: Maker; predicate: string } {
  if (type.startsWith('dev.cdeventsx.'))
    throw new DomainError('unsupported', `data.context.type: "${type}" is a custom event, whose meaning only its maker knows`, {
      path: 'data.context.type',
    })
  const [, subject, predicate] = typePattern.exec(type) ?? []
  if (!subject || !predicate)
    throw new DomainError('invalid', `data.context.type: "${type}" is no CDEvents type such as dev.cdevents.build.started.0.2.0`, {
      path: 'data.context.type',
    })
  const maker = makers[`${subject}.${predicate}`]
  if (maker) return { maker, predicate }
  const reason = unsupportedCdevents[`${subject}.${predicate}`] ?? unsupportedCdevents[`${subject}.*`]
  throw new DomainError(
    'unsupported',
    `data.context.type: ${reason ? `${subject}.${predicate} is not used: ${reason}` : `"${type}" is not known; supported: ${Object.keys(makers).join(', ')}`}`,
    { path: 'data.context.type' },
  )
}

/** A CDEvent in a CloudEvent. The envelope's id and source are the context's (CDEvents' CloudEvents binding). */
export function adaptCdevent(event: CloudEvent, now: Instant): Adapted {
  const { maker, predicate } = makerOf(event.type)
  const body = read(cdevent, event.data, ['data'])
  const { context, subject } = body
  const spec = context.specversion ?? context.version
  if (!spec || !supportedSpec.test(spec))
    throw new DomainError(
      'unsupported',
      `data.context.${context.specversion ? 'specversion' : 'version'}: CDEvents 0.3 to 0.6 are read here, not ${spec ?? 'one without a version'}`,
      { path: 'data.context' },
    )
  for (const name of ['id', 'source', 'type'] as const)
    if (context[name] !== event[name])
      throw new DomainError('invalid', `data.context.${name}: "${context[name]}" is not the CloudEvent's ${name} "${event[name]}"`, {
        path: `data.context.${name}`,
      })
  const happened = notInFuture(context.timestamp, 'data.context.timestamp', now)
  return {
    events: [{ source: event.source, id: event.id, subject: subject.id, at: happened, fact: maker(body, event.source, predicate) }],
    refused: [],
  }
}
