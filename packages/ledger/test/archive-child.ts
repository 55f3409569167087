import { toInstant } from '@rondo/kernel'
import { openLedger } from '../src/index.ts'
import { order, sums } from './order-stream.ts'

/* A process that archives, or brings back, and is killed at the step that it is told. */

const [url = '', archiveFolder = '', what, deadly, file = ''] = process.argv.slice(2)
const ledger = await openLedger({ service: 'testing', streams: [order], views: [sums], database: url, connections: 4, archiveFolder })
const actor = 'person:ada'
const onStep = (step: string) => {
  if (step === deadly) process.kill(process.pid, 'SIGKILL')
}
if (what === 'unarchive') await ledger.unarchive({ file, actor, onStep })
else await ledger.archivePage({ before: toInstant(new Date(Date.now() + 60_000)), from: undefined, dryRun: false, actor, onStep })
await ledger.close()
