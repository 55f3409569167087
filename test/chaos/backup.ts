import { execFile } from 'node:child_process'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { answering } from './disks.ts'
import { count, type Stage } from './stage.ts'

const copyOf = ({ engines: { folder } }: Stage): string => join(folder, 'backup')

/** With owners and rights: the server has a user of its own. */
const copied = (from: string, to: string) => promisify(execFile)('cp', ['-a', from, to])

/** A whole copy of PostgreSQL’s data, of a server that was stopped in order. The first one is kept. */
export const backUp = (stage: Stage): Promise<void> =>
  stage.turns.server.take(async () => {
    if (stage.backup.taken) return
    const { postgres } = stage.engines
    await postgres.stop()
    try {
      await rm(copyOf(stage), { recursive: true, force: true })
      await copied(postgres.data, copyOf(stage))
      stage.backup.taken = true
      count(stage, 'PostgreSQL stopped in order, and copied')
    } finally {
      await answering(stage)
    }
  })

/** The copy takes the place of the data; what was written since is gone. */
export const putBack = (stage: Stage): Promise<void> =>
  stage.turns.server.take(async () => {
    const { postgres } = stage.engines
    await postgres.kill('SIGQUIT')
    await rm(postgres.data, { recursive: true })
    await copied(copyOf(stage), postgres.data)
    await answering(stage)
  })
