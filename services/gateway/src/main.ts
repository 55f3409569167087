import { start } from '@rondo/runtime'
import { gateway } from './service.ts'

await start([gateway])
