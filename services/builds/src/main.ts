import { start } from '@rondo/runtime'
import { builds } from './service.ts'

await start([builds])
