import { start } from '@rondo/runtime'
import { releases } from './service.ts'

await start([releases])
