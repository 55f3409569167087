import { start } from '@rondo/runtime'
import { feedback } from './service.ts'

await start([feedback])
