import { refuse } from '@rondo/kernel'
import { LineCounter, parseDocument } from 'yaml'
import { z } from 'zod'
import { decimal, type Exact, exact, whole } from './decimal.ts'

export type Operator = '>=' | '<=' | '=='
/** One limit: absolute, or relative to the baseline by percent or by amount. */
export interface Objective {
  readonly op: Operator
  readonly kind: 'absolute' | 'percent' | 'amount'
  readonly number: Exact
}
export interface Criterion {
  readonly id: string
  /** All must hold; empty: it informs and is left out of the sum. */
  readonly pass: readonly Objective[]
  /** Empty: it passes or fails. */
  readonly warn: readonly Objective[]
  readonly weight: Exact
  /** Fails the gate alone. */
  readonly key: boolean
  /** As written. */
  readonly threshold: string
}
export interface Policy {
  /** Percent of the sum, 0 to 100. */
  readonly pass: Exact
  readonly warn: Exact
  /** Lets warned criteria go without a waiver. */
  readonly warnReleases: boolean
  readonly criteria: readonly Criterion[]
}

/** What holds where a service has put none: tests ran, and none of them failed. */
export const defaultPolicy = `# The default: tests ran, and none of them failed.
criteria:
  - id: failed-tests
    pass: ['==0']
    key: true
  - id: test-count
    pass: ['>=1']
`

const objectives = z.union([z.string(), z.array(z.string()).min(1)])
const percent = z.number().min(0).max(100)
const file = z.strictObject({
  pass: percent.default(90),
  warn: percent.default(75),
  warn_releases: z.boolean().default(false),
  criteria: z
    .array(
      z.strictObject({
        id: z.string().regex(/^[a-z0-9][a-z0-9._-]{0,99}$/, 'lower-case letters, digits, "-", "." and "_"'),
        pass: objectives.optional(),
        warn: objectives.optional(),
        weight: z.number().positive().max(1_000_000).default(1),
        key: z.boolean().default(false),
      }),
    )
    .max(200),
})

const written = /^(>=|<=|==)\s*([+-]?)(\d+(?:\.\d+)?)\s*(%?)$/
const expected = 'an objective such as ">=80", "<=0", "==0", relative to the baseline by percent "<=+10%" or by amount "<=+3"'

/** A sign makes a number relative to the baseline, as in Keptn's files; a percent without one would be a percent of nothing. */
function objective(text: string, path: string): Objective {
  const [, op, sign, digits, unit] = written.exec(text.trim()) ?? []
  const number = decimal(`${sign}${digits}`)
  if (!op || !number) refuse('invalid', `${path}: "${text}" is no objective; expected ${expected}`, { path })
  if (unit && !sign)
    refuse('invalid', `${path}: "${text}" is a percent of what? Write "${op}${digits}" or, relative to the baseline, "${op}+${digits}%"`, {
      path,
    })
  return { op: op as Operator, kind: unit ? 'percent' : sign ? 'amount' : 'absolute', number }
}
const lines = (value: string | readonly string[] | undefined) => (value === undefined ? [] : typeof value === 'string' ? [value] : value)
const parsed = (value: string | readonly string[] | undefined, path: string) =>
  lines(value).map((text, index) => objective(text, typeof value === 'string' ? path : `${path}[${index}]`))

const pathText = (path: readonly PropertyKey[]) =>
  path.reduce<string>((text, part) => (typeof part === 'number' ? `${text}[${part}]` : text ? `${text}.${String(part)}` : String(part)), '')

function readYaml(yaml: string): unknown {
  const lineCounter = new LineCounter()
  const document = parseDocument(yaml, { lineCounter, uniqueKeys: true, prettyErrors: false, logLevel: 'silent' })
  const [error] = document.errors
  if (error) {
    const { line, col } = lineCounter.linePos(error.pos[0])
    refuse('invalid', `the policy is not YAML: line ${line}, column ${col}: ${error.message}`, { path: 'policy', line, column: col })
  }
  try {
    return document.toJS({ maxAliasCount: 20 })
  } catch (error) {
    refuse('invalid', `the policy is not plain YAML: ${error instanceof Error ? error.message : 'it cannot be read'}`, { path: 'policy' })
  }
}

function criterion(row: z.infer<typeof file>['criteria'][number], index: number): Criterion {
  const path = `criteria[${index}]`
  const pass = parsed(row.pass, `${path}.pass`)
  const warn = parsed(row.warn, `${path}.warn`)
  if (warn.length > 0 && pass.length === 0)
    refuse('invalid', `${path}.warn: without "pass" nothing can warn; add a "pass" objective or drop "warn"`, { path: `${path}.warn` })
  if (row.key && pass.length === 0)
    refuse('invalid', `${path}.key: without "pass" it cannot fail the gate; add a "pass" objective or drop "key"`, { path: `${path}.key` })
  const threshold = [lines(row.pass).join(', '), ...(warn.length > 0 ? [`warn ${lines(row.warn).join(', ')}`] : [])]
    .filter(Boolean)
    .join('; ')
  return { id: row.id, pass, warn, weight: exact(row.weight) ?? whole(1), key: row.key, threshold: threshold || 'none' }
}

/** Reads a policy file. Refuses with the path of what is wrong, as a person would find it in the file. */
export function readPolicy(yaml: string): Policy {
  if (yaml.length > 65_536) refuse('too_large', `the policy has ${yaml.length} characters; the limit is 65536`, { path: 'policy' })
  const read = file.safeParse(readYaml(yaml))
  if (!read.success) {
    const [issue] = read.error.issues
    const path = issue ? pathText(issue.path) || 'policy' : 'policy'
    refuse(
      'invalid',
      `${path}: ${issue?.message ?? 'not a policy'}; expected a mapping with "criteria" (each with id, pass, warn, weight, key) and, if wanted, pass, warn, warn_releases`,
      { path },
    )
  }
  const { pass, warn, warn_releases, criteria } = read.data
  if (warn > pass) refuse('invalid', `warn: ${warn} is above pass (${pass}); a warning lies below a pass`, { path: 'warn' })
  const twice = criteria.findIndex(({ id }, index) => criteria.findIndex((other) => other.id === id) < index)
  if (twice >= 0) refuse('invalid', `criteria[${twice}].id: "${criteria[twice]?.id}" is there twice`, { path: `criteria[${twice}].id` })
  return { pass: exact(pass) ?? whole(90), warn: exact(warn) ?? whole(75), warnReleases: warn_releases, criteria: criteria.map(criterion) }
}
