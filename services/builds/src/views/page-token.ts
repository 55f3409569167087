import { DomainError } from '@rondo/kernel'

/** A list's row: its time (text, to the microsecond) and id, of which the token of the next page is made. */
export interface Row {
  readonly at: string
  readonly id: string
}

/** One page of rows and the token of the next; `rows` reads one more than the page holds. */
export async function paged(
  { page_size, page_token, order }: { readonly page_size: number; readonly page_token: string; readonly order: string },
  rows: (after: Row | undefined, descending: boolean, limit: number) => Promise<readonly Row[]>,
): Promise<{ readonly ids: readonly string[]; readonly next_page_token: string }> {
  const size = page_size || 50
  const wanted = order || 'occurred_at desc'
  const found = await rows(page_token ? read(page_token, wanted) : undefined, wanted === 'occurred_at desc', size + 1)
  const last = found[size - 1]
  const next = found.length > size && last ? Buffer.from(JSON.stringify([wanted, last.at, last.id])).toString('base64url') : ''
  return { ids: found.slice(0, size).map(({ id }) => id), next_page_token: next }
}

function read(token: string, order: string): Row {
  const parts = parsed(token)
  if (!Array.isArray(parts) || parts.length !== 3 || !parts.every((part) => typeof part === 'string')) {
    throw new DomainError('invalid', 'page_token must be the next_page_token of the page before', { path: 'page_token' })
  }
  const [made, at, id] = parts as [string, string, string]
  if (made !== order)
    throw new DomainError('invalid', `page_token was made with the order "${made}", not "${order}"`, { path: 'page_token' })
  return { at, id }
}
function parsed(token: string): unknown {
  try {
    return JSON.parse(Buffer.from(token, 'base64url').toString())
  } catch {
    return undefined // not JSON is one more way of not being a token: the caller refuses it
  }
}
