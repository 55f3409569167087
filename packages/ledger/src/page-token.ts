import { DomainError } from '@rondo/kernel'
import type { HeadRow } from './storage.ts'

/** Where a page ended: exactly the row's own time (text, microseconds) and id. */
export interface PageToken {
  readonly order: string
  readonly at: string
  readonly id: string
}

export const pageToken = (order: string, { firstAt, id }: HeadRow): string =>
  Buffer.from(JSON.stringify([order, firstAt, id])).toString('base64url')

/** Refuses `invalid` where the token is none of this list's. */
export function readPageToken(order: string, token: string): PageToken {
  const parts = parsed(token)
  if (!isToken(parts)) {
    throw new DomainError('invalid', 'page_token must be the next_page_token of the page before', { path: 'page_token' })
  }
  if (parts[0] !== order)
    throw new DomainError('invalid', `page_token was made with the order "${parts[0]}", not "${order}"`, { path: 'page_token' })
  return { order, at: parts[1], id: parts[2] }
}

function parsed(token: string): unknown {
  try {
    return JSON.parse(Buffer.from(token, 'base64url').toString())
  } catch {
    return undefined // not JSON is one more way of not being a token: the caller refuses it
  }
}

const isToken = (parts: unknown): parts is [string, string, string] =>
  Array.isArray(parts) && parts.length === 3 && parts.every((part) => typeof part === 'string')
