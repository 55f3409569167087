import { once } from 'node:events'
import { builds } from '@rondo/builds'
import { feedback } from '@rondo/feedback'
import { gateway } from '@rondo/gateway'
import { operations } from '@rondo/operations'
import { loadProtos } from '@rondo/proto'
import { releases } from '@rondo/releases'
import { requirements } from '@rondo/requirements'
import { start } from '@rondo/runtime'
import { z } from 'zod'
// Else loaded when they are first used
import 'kafkajs'
import 'pg'

/** Everything is loaded, nothing runs: it waits to be told by its parent which services it is, and is a process like any other from then on. */
const orders = z.object({ services: z.array(z.string()), env: z.record(z.string(), z.string()) })

const all = [requirements, builds, releases, operations, feedback, gateway]
const protos = loadProtos()
const [message] = await once(process, 'message')
const { services, env } = orders.parse(message)
process.disconnect()
Object.assign(process.env, env)
await start(
  all.filter(({ name }) => services.includes(name)),
  { protos },
)
