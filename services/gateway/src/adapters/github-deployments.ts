import { deployment } from '@rondo/contracts/intake'
import { z } from 'zod'
import { type Observed, read, time } from './adapter.ts'
import { repositorySchema } from './github-code.ts'
import type { Delivery } from './github-delivery.ts'

/** `inactive` says that a newer one took over, not that this one failed. */
const states = {
  pending: 'queued',
  queued: 'queued',
  waiting: 'queued',
  in_progress: 'started',
  success: 'succeeded',
  failure: 'failed',
  error: 'failed',
  inactive: 'inactive',
} as const

const digest = z.string().regex(/^[a-z0-9]+:[0-9a-f]{32,}$/)
const shipped = z.looseObject({ artifact: z.string() })
/** The deployer may name what it ships in the payload: `{"artifact": "sha256:…"}`, as an object or as text of one. */
function artifactIn(payload: unknown): string | undefined {
  const found = typeof payload === 'string' ? /"artifact"\s*:\s*"([^"]+)"/.exec(payload)?.[1] : shipped.safeParse(payload).data?.artifact
  return digest.safeParse(found).data
}

const schema = z.looseObject({
  repository: repositorySchema,
  deployment: z.looseObject({ id: z.number(), sha: z.string(), environment: z.string().min(1), payload: z.unknown() }),
  deployment_status: z.looseObject({
    id: z.number(),
    state: z.enum(Object.keys(states) as [keyof typeof states]),
    environment: z.string().optional(),
    created_at: time,
    updated_at: time,
    target_url: z.string().nullish(),
  }),
})

export function deploymentStatus({ id, body }: Delivery): readonly Observed[] {
  const { deployment: deployed, deployment_status: status, repository: known } = read(schema, body)
  const { repository, source } = known
  const artifact = artifactIn(deployed.payload)
  const fact = deployment.observed({
    source,
    deployment: `deployment/${deployed.id}`,
    repository,
    environment: deployed.environment,
    revision: deployed.sha,
    ...(artifact ? { artifact } : {}),
    state: states[status.state],
    ...(status.target_url ? { url: status.target_url } : {}),
  })
  return [{ source, id, subject: `${repository.full_name}/deployments/${deployed.id}`, at: status.updated_at, fact }]
}
