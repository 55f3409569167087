import { readConfig, start } from '@rondo/runtime'
import { gateway } from './service.ts'

await start([gateway], () => readConfig(process.env))
