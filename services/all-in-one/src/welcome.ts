import { relative } from 'node:path'
import type { Running } from '@rondo/runtime'

/** Where the rondo command looks by itself. */
const usualFolder = '.rondo'

/** What a newcomer sees: a page, not a log. */
export function welcome(
  { http, grpc }: Running['addresses'],
  dataDir: string,
  details: {
    readonly log: string
    readonly database: string
    readonly bus: string
    readonly startedMs: number
    /** The data go when it stops. */
    readonly isEphemeral: boolean
  },
): string {
  const folder = relative(process.cwd(), dataDir) || '.'
  const rondo = `${folder === usualFolder ? '' : `RONDO_DATA_DIR=${folder} `}npx --no-install rondo`
  return `
  Rondo runs (started in ${(details.startedMs / 1000).toFixed(1)} s)

    in a browser   ${http}/
    HTTP           ${http}      (health: /readyz, metrics: /metrics)
    gRPC           ${grpc}
    database       ${details.database}
    bus            ${details.bus}
    token          ${folder}/token  (an admin's; the rondo command finds it)
    log            ${relative(process.cwd(), details.log) || details.log}

  Try next, in another terminal:

    ${rondo} demo       one whole turn of the loop, narrated (under a minute)
    ${rondo} tail       all events as they happen
    curl -H "Authorization: Bearer $(cat ${folder}/token)" ${http}/v1/feedback/stream?from=start

  Ctrl-C stops it; the data ${details.isEphemeral ? 'go with it' : `stay in ${folder}`}.
`
}
