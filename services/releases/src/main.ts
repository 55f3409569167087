import { readConfig, run } from '@rondo/runtime'
import { releases } from './service.ts'

await run([releases], readConfig(process.env))
