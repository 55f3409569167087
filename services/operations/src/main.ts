import { readConfig, run } from '@rondo/runtime'
import { operations } from './service.ts'

await run([operations], readConfig(process.env))
