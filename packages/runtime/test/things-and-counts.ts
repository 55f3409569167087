// Both services of the tests in a process of their own, to be killed.
import { start } from '../src/index.ts'
import { countsService, testProtos, thingsService } from './services.ts'

await start([thingsService, countsService], { protos: testProtos() })
