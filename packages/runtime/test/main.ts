// A process as a service's `main.ts` starts it.
import { readConfig, start } from '../src/index.ts'
import { testProtos, thingsService } from './services.ts'

await start([thingsService], () => readConfig(process.env), { protos: testProtos() })
