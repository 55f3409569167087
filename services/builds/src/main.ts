import { readConfig, run } from '@rondo/runtime'
import { builds } from './service.ts'

await run([builds], readConfig(process.env))
