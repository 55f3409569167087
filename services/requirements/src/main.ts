import { start } from '@rondo/runtime'
import { requirements } from './service.ts'

await start([requirements])
