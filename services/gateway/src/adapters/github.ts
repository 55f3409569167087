import { DomainError } from '@rondo/kernel'
import { z } from 'zod'
import { type Adapted, read } from './adapter.ts'
import { pullRequest, push } from './github-code.ts'
import type { Delivery, GithubHandler } from './github-delivery.ts'
import { deploymentStatus } from './github-deployments.ts'
import { issue, issueComment, release } from './github-issues.ts'
import { checkRun, workflowRun } from './github-runs.ts'

const handlers: Readonly<Record<string, GithubHandler>> = {
  push,
  pull_request: pullRequest,
  workflow_run: workflowRun,
  check_run: checkRun,
  deployment_status: deploymentStatus,
  release,
  issues: issue,
  issue_comment: issueComment,
}

/** Well-formed events that Rondo does not use so far, and why; the reference shows this table. */
export const unsupportedGithubEvents: Readonly<Record<string, string>> = {
  check_suite: 'each of its check runs is taken by itself (subscribe to check_run)',
  workflow_job: 'the run as a whole is taken (subscribe to workflow_run)',
  deployment: 'asks for a deployment; what became of it comes with deployment_status',
  deployment_review: "GitHub's own approval is not Rondo's: approve the release in Rondo",
  create: 'a new branch or tag comes with push, which also says of which commit',
  delete: 'a deleted branch or tag comes with push',
  status: 'commit statuses carry no attempt: send check runs or workflow runs',
  pull_request_review: 'reviews are not evidence yet',
  merge_group: 'the queue builds a temporary commit; the merged one comes with push',
  code_scanning_alert: 'findings will come as SARIF evidence',
  dependabot_alert: 'findings will come as SBOM evidence',
  repository_vulnerability_alert: 'replaced by GitHub with dependabot_alert',
  secret_scanning_alert: 'findings will come as SARIF evidence',
}

const anyBody = z.looseObject({})

/** A verified delivery as observed facts. Throws a refusal that names the path in the body. */
export function adaptGithub(event: string, delivery: Delivery): Adapted {
  if (event === 'ping') return { events: [], refused: [], note: 'pong: the webhook is set up' }
  const handler = handlers[event]
  if (handler) return { events: handler({ ...delivery, body: read(anyBody, delivery.body) }), refused: [] }
  const reason = unsupportedGithubEvents[event]
  throw new DomainError(
    'unsupported',
    reason
      ? `GitHub's ${event} is not used: ${reason}`
      : `GitHub's event "${event}" is not known here; supported: ${Object.keys(handlers).join(', ')}`,
    {
      path: 'X-GitHub-Event',
    },
  )
}
