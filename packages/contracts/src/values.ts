import { z } from 'zod'

/** Marks a field about a person: kept out of logs, listed in the reference. */
export const personal = <S extends z.ZodType>(schema: S): S => schema.meta({ personal: true }) as S

/** UTC with six decimals, as the kernel's `parseInstant` makes it. */
export const instant = z.string().regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/, 'a UTC time with six decimals')
/** `sha256:<hex>`: what an artifact is. */
export const digest = z.string().regex(/^[a-z0-9]+:[0-9a-f]{32,}$/, 'a digest such as sha256:<64 hex digits>')
/** A git commit id (SHA-1 or SHA-256). */
export const sha = z.string().regex(/^[0-9a-f]{40}(?:[0-9a-f]{24})?$/, 'a full commit id of 40 or 64 hex digits')
export const count = z.number().int().nonnegative()
export const name = z.string().min(1).max(500)

/** `person:<id>`, `unmapped:<hash>`, `unknown:<why>` (a deleted account), `service:<name>` (a token of a machine). */
export const actor = z
  .string()
  .regex(/^(person|unmapped|unknown|service):.+/, 'person:<id>, unmapped:<hash>, unknown:<why> or service:<name>')
export const contributor = z.object({
  actor,
  role: z.enum(['author', 'co_author', 'committer', 'pusher', 'merger']),
  /** As the platform wrote it, to help whoever maps it. */
  shown: personal(z.string()).optional(),
})
export type Contributor = z.infer<typeof contributor>

/** Its id at the platform outlives a rename; where there is none (a git folder), the name is all we have. */
export const repository = z.object({
  host: name,
  full_name: name,
  id: z.string().optional(),
  default_branch: z.string().optional(),
})
export type Repository = z.infer<typeof repository>

/** None but `success` is a pass. */
export const outcome = z.enum(['success', 'failure', 'error', 'cancelled', 'skipped', 'neutral', 'timed_out', 'stale', 'action_required'])
export const verdict = z.enum(['pass', 'warn', 'fail', 'inconclusive'])

export const testCounts = z.object({ tests: count, passed: count, failed: count, errors: count, skipped: count, flaky: count })
export type TestCounts = z.infer<typeof testCounts>
export const testCase = z.object({
  /** The path of suites, outermost first. */
  suite: z.array(z.string()),
  classname: z.string(),
  name: z.string(),
  /** The last attempt decides; an earlier failure makes it flaky. */
  attempts: z
    .array(
      z.object({
        outcome: z.enum(['passed', 'failed', 'error', 'skipped']),
        message: z.string().optional(),
        seconds: z.number().optional(),
      }),
    )
    .min(1),
})
export type TestCase = z.infer<typeof testCase>

export const evidenceTarget = z.object({ artifact: digest.optional(), build: name.optional() })
