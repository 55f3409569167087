import { refuse } from '@rondo/kernel'
import type { Found, ListOptions, Read } from '@rondo/reaction'
import { backlogKey } from './impact.ts'
import type { Requirement } from './phase.ts'
import { requirement } from './requirement.ts'

interface Wanted {
  readonly service: string
  /** A phase, "open" or empty. */
  readonly phase: string
  readonly order: 'impact' | 'occurred_at' | 'occurred_at desc'
  readonly pageSize: number
  readonly pageToken: string
}
interface Page {
  readonly items: readonly Found<Requirement>[]
  readonly nextPageToken: string
}

const tokenOf = (key: string) => Buffer.from(key).toString('base64url')
function keyOf(token: string): string {
  const key = Buffer.from(token, 'base64url').toString()
  // A key begins with the rank of its pin, always twelve digits
  return /^\d{12} \d{12} /.test(key)
    ? key
    : refuse('invalid', 'expected the token of a page of this list, in the same order', { path: 'page_token' })
}

async function all(read: Read, options: ListOptions): Promise<readonly Found<Requirement>[]> {
  const items: Found<Requirement>[] = []
  let pageToken = ''
  do {
    const page = await read.list(requirement, { ...options, pageSize: 500, pageToken })
    items.push(...page.items)
    pageToken = page.nextPageToken
  } while (pageToken)
  return items
}

/**
 * The backlog. Impact follows from the evidence and is in no index: in this order all that the filter leaves are looked at,
 * which a backlog of some thousand bears; the orders by time are read page by page.
 */
export async function backlog(read: Read, { service, phase, order, pageSize, pageToken }: Wanted): Promise<Page> {
  const options: ListOptions = {
    ...(phase && phase !== 'open' && { phase }),
    keys: {
      ...(service && { service: service }),
      ...(phase === 'open' && { open: 'open' }),
      ...(!phase && !service && { raised: 'raised' }),
    },
  }
  if (order !== 'impact') return read.list(requirement, { ...options, order, pageSize, ...(pageToken && { pageToken }) })
  const after = pageToken ? keyOf(pageToken) : ''
  const keyed = (await all(read, options)).map((found) => ({ found, key: backlogKey(found) })).filter(({ key }) => key > after)
  keyed.sort((a, b) => (a.key < b.key ? -1 : 1))
  const page = keyed.slice(0, pageSize)
  const last = page.at(-1)
  return { items: page.map(({ found }) => found), nextPageToken: last && keyed.length > pageSize ? tokenOf(last.key) : '' }
}
