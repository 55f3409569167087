import { parseInstant } from '@rondo/kernel'
import { z } from 'zod'

/** Text in proto3 is never absent, so "empty" stands for "not given". */
export const optional = z.string().trim().max(500)
export const text = z.string().trim().min(1, 'must not be empty').max(500)
export const longText = z.string().trim().min(1, 'must not be empty').max(10_000)
export const digest = z.string().regex(/^[a-z0-9]+:[0-9a-f]{32,}$/, 'a digest such as sha256:<64 hex digits>')
export const sha = z
  .string()
  .trim()
  .toLowerCase()
  .regex(/^[0-9a-f]{40}(?:[0-9a-f]{24})?$/, 'a full commit id of 40 or 64 hex digits')
export const orNone = <S extends z.ZodType<string>>(schema: S) => z.union([z.literal(''), schema])

export const time = z.string().transform((value, context) => {
  const instant = parseInstant(value)
  if (instant !== undefined) return instant
  context.addIssue({
    code: 'custom',
    message: `"${value.slice(0, 40)}" is no time: expected RFC 3339 with an offset, such as 2026-11-25T09:00:00Z`,
  })
  return z.NEVER
})

export const page = {
  page_size: z.number().int().min(0).max(200, 'at most 200'),
  page_token: z.string().max(2000),
}
export const ordered = { ...page, order: z.enum(['', 'occurred_at', 'occurred_at desc']) }
interface Page {
  readonly page_size: number
  readonly page_token: string
  readonly order?: '' | 'occurred_at' | 'occurred_at desc'
}
export const pageOf = ({ page_size, page_token, order }: Page) => ({
  pageSize: page_size || 50,
  ...(page_token ? { pageToken: page_token } : {}),
  ...(order ? { order } : {}),
})
/** Those of the keys that were asked for. */
export const keysOf = (keys: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(keys).filter(([, value]) => value !== ''))
