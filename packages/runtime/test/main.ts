// A process as a service's `main.ts` starts it.
import { start } from '../src/index.ts'
import { testProtos, thingsService } from './services.ts'

await start([thingsService], { protos: testProtos() })
