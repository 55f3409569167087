import { start } from '@rondo/runtime'
import { operations } from './service.ts'

await start([operations])
