import { readConfig, run } from '@rondo/runtime'
import { requirements } from './service.ts'

await run([requirements], readConfig(process.env))
