import { readConfig, run } from '@rondo/runtime'
import { feedback } from './service.ts'

await run([feedback], readConfig(process.env))
