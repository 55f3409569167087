import { createHash } from 'node:crypto'
import type { Event } from '@rondo/proto/intake'
import type { GitCommit, Person } from './git-log.ts'
import type { ShallowEnds } from './repository.ts'

export interface Origin {
  readonly host: string
  readonly fullName: string
}

const identity = ({ name, email }: Person) => ({ name, email, login: '' })

/**
 * A commit as an event. Its id is that of the commit and a hash of what is said of it: the same again is a duplicate, and what is
 * known better now (a shallow clone was completed, patch ids were computed) is a new event and no contradiction.
 */
export function changeEvent({ host, fullName }: Origin, commit: GitCommit, shallow: ShallowEnds, patchId = ''): Event {
  const cut = shallow.get(commit.sha)
  const change = {
    repository: { host, full_name: fullName, id: '' },
    sha: commit.sha,
    parents: [...(cut ?? commit.parents)],
    parents_known: true,
    shallow: cut !== undefined,
    patch_id: patchId,
    message: commit.message,
    committed_at: commit.committedAt,
    author: identity(commit.author),
    committer: identity(commit.committer),
    branch: '',
  }
  const content = createHash('sha256').update(JSON.stringify(change)).digest('hex').slice(0, 12)
  return { id: `${commit.sha}/${content}`, source: `git:${host}/${fullName}`, time: commit.committedAt, change }
}

/** Gathers what goes into one call: at most so many, and at most so many bytes (a larger one goes alone). */
export async function* batches<Item>(
  items: AsyncIterable<Item>,
  most: { readonly items: number; readonly bytes: number },
): AsyncGenerator<readonly Item[]> {
  let batch: Item[] = []
  let bytes = 0
  for await (const item of items) {
    const size = Buffer.byteLength(JSON.stringify(item))
    if (batch.length > 0 && (batch.length >= most.items || bytes + size > most.bytes)) {
      yield batch
      batch = []
      bytes = 0
    }
    batch.push(item)
    bytes += size
  }
  if (batch.length > 0) yield batch
}
