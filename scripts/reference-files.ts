import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { generated } from '@rondo/contracts/generated-files'
import { unsupportedCdevents } from '@rondo/gateway/adapters/cdevents'
import { unsupportedGithubEvents } from '@rondo/gateway/adapters/github'
import { errorCodes } from '@rondo/kernel'
import { variablesTable } from '@rondo/runtime/variables'

const table = (head: readonly [string, string], rows: Readonly<Record<string, string>>) =>
  [`| ${head[0]} | ${head[1]} |`, '|---|---|', ...Object.entries(rows).map(([name, text]) => `| \`${name}\` | ${text} |`), ''].join('\n')

const unsupported = `# Understood, and not used so far

Refused with the code \`unsupported\`, so that nobody waits for an effect.

## GitHub webhooks

${table(['event', 'why'], unsupportedGithubEvents)}
## CDEvents

${table(['subject and predicate', 'why'], unsupportedCdevents)}
Also: custom CDEvents (\`dev.cdeventsx.…\`), whose meaning only their makers know; artifacts without a digest, by which alone they are known; CloudEvents 0.3 and other types than CDEvents.

## Reports

JUnit XML is read. NUnit, xUnit.net, TRX, Cobertura, JaCoCo and Clover are told apart and not read yet.

## Alerts

Alertmanager's format "4" is read. Grafana's own ("1"), and alerts without \`startsAt\` (a repetition could not be told from a new episode), are not.
`

const errors = `# Refusals

The closed list of codes. Over HTTP below \`/v1\` a refusal is a problem document (RFC 9457) with \`code\`; RPCs as JSON carry it in the details of the Connect error; gRPC in \`google.rpc.ErrorInfo\`.

What says "later" says when: \`rate_limited\`, \`overloaded\` and \`unavailable\` carry \`Retry-After\` (whole seconds) over HTTP and \`google.rpc.RetryInfo\` in gRPC. After \`rate_limited\` and \`overloaded\` nothing was done; after \`unavailable\` it may have been.

| code | gRPC status | HTTP status | means |
|---|---|---|---|
${Object.entries(errorCodes)
  .map(([code, { grpc, http, means }]) => `| \`${code}\` | ${grpc} | ${http} | ${means} |`)
  .join('\n')}
`

/** The README with the table of variables in its place. */
function readme(root: string): string {
  const text = readFileSync(join(root, 'README.md'), 'utf8')
  return text.replace(/<!-- variables -->[\s\S]*<!-- \/variables -->/, () => `<!-- variables -->\n${variablesTable()}<!-- /variables -->`)
}

/** Every file that follows from the code, by its path. */
export const reference = (root: string): Readonly<Record<string, string>> => ({
  ...Object.fromEntries(Object.entries(generated()).map(([name, content]) => [`docs/reference/${name}`, content])),
  'docs/reference/errors.md': errors,
  'docs/reference/unsupported.md': unsupported,
  'README.md': readme(root),
})
