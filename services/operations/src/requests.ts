import { parseInstant } from '@rondo/kernel'
import { z } from 'zod'

/** What requests are made of. Text in proto3 is never absent, so "empty" stands for "not given". */
export const text = z.string().trim().min(1, 'must not be empty').max(500)
export const longText = z.string().trim().min(1, 'must not be empty').max(10_000)
export const optional = z.string().trim().max(500)

const rfc3339 = (value: string, context: z.RefinementCtx) => {
  const instant = parseInstant(value)
  if (instant !== undefined) return instant
  context.addIssue({
    code: 'custom',
    message: `"${value.slice(0, 40)}" is not a time: expected RFC 3339 with an offset, such as 2026-11-25T09:00:00Z`,
  })
  return z.NEVER
}
export const time = z.string().transform(rfc3339)

/** Becomes part of addresses and record keys. */
export const id = (example: string) =>
  z.string().regex(/^[A-Za-z][A-Za-z0-9._/-]{0,99}$/, `a letter, then up to 99 letters, digits, ".", "_", "/" or "-", such as ${example}`)
export const orNone = <S extends z.ZodType<string>>(schema: S) => z.union([z.literal(''), schema])

export const digest = z.string().regex(/^[a-z0-9]+:[0-9a-f]{32,}$/, 'a digest such as sha256:<64 hex digits>')

export const page = {
  page_size: z.number().int().min(0).max(200, 'at most 200'),
  page_token: z.string().max(2000),
  order: z.enum(['', 'occurred_at', 'occurred_at desc']),
}
export interface Page {
  readonly page_size: number
  readonly page_token: string
  readonly order: '' | 'occurred_at' | 'occurred_at desc'
}
export const pageOf = ({ page_size, page_token, order }: Page) => ({
  pageSize: page_size || 50,
  ...(page_token ? { pageToken: page_token } : {}),
  ...(order ? { order } : {}),
})

/** Those of the keys that were asked for. */
export const keysOf = (keys: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(keys).filter(([, value]) => value !== ''))
