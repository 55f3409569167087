import { build } from '@rondo/contracts/intake'
import type { Instant } from '@rondo/kernel'
import { z } from 'zod'
import { type Observed, read, time } from './adapter.ts'
import { repositorySchema } from './github-code.ts'
import type { Delivery } from './github-delivery.ts'

type Outcome = NonNullable<Parameters<typeof build.observed>[0]['outcome']>
/** Each is itself; only success is a pass. */
const outcomes: Readonly<Record<string, Outcome>> = {
  success: 'success',
  failure: 'failure',
  startup_failure: 'error',
  cancelled: 'cancelled',
  skipped: 'skipped',
  neutral: 'neutral',
  timed_out: 'timed_out',
  stale: 'stale',
  action_required: 'action_required',
}
const conclusion = z
  .string()
  .nullish()
  .transform((text, context) => {
    if (text == null) return undefined
    const outcome = outcomes[text]
    if (!outcome)
      context.addIssue({ code: 'custom', message: `"${text}" is not a conclusion that is known here: ${Object.keys(outcomes).join(', ')}` })
    return outcome ?? z.NEVER
  })
const status = z.enum(['queued', 'requested', 'waiting', 'pending', 'in_progress', 'completed'])

const phaseOf = (text: z.output<typeof status>) => (text === 'completed' ? 'finished' : text === 'in_progress' ? 'started' : 'queued')
/** A finished run without a conclusion is broken, not passed. */
const outcomeOf = (phase: string, given: Outcome | undefined) => (phase === 'finished' ? { outcome: given ?? ('error' as const) } : {})

const workflowRunSchema = z.looseObject({
  repository: repositorySchema,
  workflow_run: z.looseObject({
    id: z.number(),
    name: z.string().nullish(),
    run_attempt: z.number().int().positive().default(1),
    status,
    conclusion,
    head_sha: z.string(),
    head_branch: z.string().nullish(),
    html_url: z.string(),
    created_at: time,
    run_started_at: time.nullish(),
    updated_at: time,
  }),
})

export function workflowRun({ id, body }: Delivery): readonly Observed[] {
  const { workflow_run: run, repository: known } = read(workflowRunSchema, body)
  const { repository, source } = known
  const phase = phaseOf(run.status)
  const at: Record<typeof phase, Instant> = {
    queued: run.created_at,
    started: run.run_started_at ?? run.updated_at,
    finished: run.updated_at,
  }
  const fact = build.observed({
    source,
    build: `workflow_run/${run.id}`,
    kind: 'pipeline',
    name: run.name ?? `workflow ${run.id}`,
    attempt: run.run_attempt,
    phase,
    ...outcomeOf(phase, run.conclusion),
    repository,
    revision: run.head_sha,
    ...(run.head_branch ? { branch: run.head_branch } : {}),
    url: run.html_url,
  })
  return [{ source, id, subject: `${source}/actions/runs/${run.id}`, at: at[phase], fact }]
}

const checkRunSchema = z.looseObject({
  repository: repositorySchema,
  check_run: z.looseObject({
    id: z.number(),
    name: z.string(),
    status,
    conclusion,
    head_sha: z.string(),
    html_url: z.string().nullish(),
    started_at: time.nullish(),
    completed_at: time.nullish(),
    check_suite: z.looseObject({ head_branch: z.string().nullish(), updated_at: time.nullish() }).nullish(),
  }),
})

export function checkRun({ id, body }: Delivery): readonly Observed[] {
  const { check_run: run, repository: known } = read(checkRunSchema, body)
  const { repository, source } = known
  const phase = phaseOf(run.status)
  const at = (phase === 'finished' ? run.completed_at : undefined) ?? run.started_at ?? run.check_suite?.updated_at
  const fact = build.observed({
    source,
    build: `check_run/${run.id}`,
    kind: 'check',
    name: run.name,
    attempt: 1,
    phase,
    ...outcomeOf(phase, run.conclusion),
    repository,
    revision: run.head_sha,
    ...(run.check_suite?.head_branch ? { branch: run.check_suite.head_branch } : {}),
    ...(run.html_url ? { url: run.html_url } : {}),
  })
  return [{ source, id, subject: `${source}/runs/${run.id}`, at: read(time, at, ['check_run', 'started_at']), fact }]
}
