import { builds } from '@rondo/builds'
import { feedback } from '@rondo/feedback'
import { releases } from '@rondo/releases'
import { start } from '@rondo/runtime'

/** The services that are not killed one by one, in one process: each start costs a second of a core. */
await start([builds, releases, feedback])
