import type { TestCase, TestCounts } from '@rondo/contracts/values'
import { DomainError, refuse } from '@rondo/kernel'
import { SaxesParser } from 'saxes'

type Attempt = TestCase['attempts'][number]
export interface TestReport {
  readonly suites: readonly { readonly path: string[]; readonly tests: number }[]
  readonly counts: TestCounts
  readonly cases: readonly TestCase[]
}

interface Suite {
  readonly path: string[]
  tests: number
  children: number
}
interface Row {
  readonly suite: string[]
  readonly classname: string
  readonly name: string
  /** Surefire writes earlier tries inside: `flakyFailure` (passed at last), `rerunFailure` (failed again). */
  readonly earlier: Attempt[]
  readonly later: Attempt[]
  own: Attempt
}

const maxMessage = 4_000
/** Roots of other reports, told apart from what is no report at all. */
const otherFormats: Readonly<Record<string, string>> = {
  'test-run': 'NUnit 3',
  'test-results': 'NUnit 2',
  'test-suite': 'NUnit 3',
  assemblies: 'xUnit.net',
  TestRun: 'TRX',
  coverage: 'Cobertura or Clover coverage',
  report: 'JaCoCo coverage',
  result: "Jenkins' own",
}

/** A report's bytes as text: by its byte order mark or declared encoding, UTF-8 otherwise. */
function decode(body: Uint8Array): string {
  const start = new TextDecoder('latin1').decode(body.subarray(0, 200))
  const encoding = start.startsWith('ÿþ')
    ? 'utf-16le'
    : start.startsWith('þÿ')
      ? 'utf-16be'
      : (/^[^<]*<\?xml[^>]*\bencoding=["']([\w.:-]+)["']/.exec(start)?.[1] ?? 'utf-8')
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(body)
  } catch (error) {
    throw new DomainError('invalid', `the report is not ${encoding} text`, { cause: String(error) })
  }
}

/** Test output holds what XML forbids (terminal codes); it is replaced, or no report with colours could be read. */
const legal = (xml: string) =>
  xml
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters that XML forbids
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '\ufffd')
    .toWellFormed()
    .replace(/&#(x[0-9a-f]+|\d+);/gi, (reference, code: string) =>
      isLegal(Number(code.toLowerCase().startsWith('x') ? `0${code}` : code)) ? reference : '\ufffd',
    )
const isLegal = (code: number) =>
  code === 9 ||
  code === 10 ||
  code === 13 ||
  (code >= 0x20 && code <= 0xd7ff) ||
  (code >= 0xe000 && code <= 0xfffd) ||
  (code >= 0x10000 && code <= 0x10ffff)

const results: Readonly<Record<string, Attempt['outcome']>> = { failure: 'failed', error: 'error', skipped: 'skipped' }
const earlierResults: Readonly<Record<string, Attempt['outcome']>> = {
  flakyFailure: 'failed',
  flakyError: 'error',
  rerunFailure: 'failed',
  rerunError: 'error',
}

/** `2,503.1` and `1:23:45` are written too; what is no time is none. */
function seconds(text: string | undefined): { seconds?: number } {
  if (!text) return {}
  const parts = text.replaceAll(',', '').split(':').map(Number)
  const value = parts.reduce((sum, part) => sum * 60 + part, 0)
  return Number.isFinite(value) && value >= 0 ? { seconds: value } : {}
}

/** Follows the elements and keeps the rows; attributes that count (`tests="5"`) are not believed. */
class Reader {
  readonly suites: Suite[] = []
  readonly rows: Row[] = []
  private readonly stack: string[] = []
  private readonly open: Suite[] = []
  private row: Row | undefined
  private message: { attempt: Attempt; text: string } | undefined

  opened(name: string, attributes: Readonly<Record<string, string>>) {
    if (this.stack.length === 0) this.root(name, attributes)
    else if (name === 'testsuite') this.suite(attributes)
    else if (name === 'testcase') this.testcase(attributes)
    else this.result(name, attributes)
    this.stack.push(name)
  }

  private root(name: string, attributes: Readonly<Record<string, string>>) {
    if (name === 'testsuite') this.suite(attributes)
    else if (name !== 'testsuites') {
      const other = otherFormats[name]
      refuse(
        other ? 'unsupported' : 'invalid',
        other
          ? `a ${other} report (<${name}>); JUnit XML is read here`
          : `no JUnit report: the root element is <${name}>, not <testsuites> or <testsuite>`,
        { path: name },
      )
    }
  }

  private suite(attributes: Readonly<Record<string, string>>) {
    const parent = this.open.at(-1)
    if (parent) parent.children++
    const suite = { path: [...(parent?.path ?? []), attributes.name ?? ''], tests: 0, children: 0 }
    this.suites.push(suite)
    this.open.push(suite)
  }

  private testcase(attributes: Readonly<Record<string, string>>) {
    const notRun = attributes.status === 'notrun' || attributes.status === 'disabled' || attributes.result === 'suppressed'
    const own: Attempt = { outcome: notRun ? 'skipped' : 'passed', ...seconds(attributes.time) }
    this.row = {
      suite: this.open.at(-1)?.path ?? [],
      classname: attributes.classname ?? '',
      name: attributes.name ?? '',
      earlier: [],
      later: [],
      own,
    }
    const suite = this.open.at(-1)
    if (suite) suite.tests++
    this.rows.push(this.row)
  }

  private result(name: string, attributes: Readonly<Record<string, string>>) {
    const earlier = earlierResults[name]
    const outcome = results[name] ?? earlier
    if (!outcome) return
    // An error of a suite itself (its set-up broke) is a row of its own, or it would vanish
    const row = this.row ?? this.suiteRow(outcome)
    const attempt = { outcome, ...(attributes.message ? { message: attributes.message.slice(0, maxMessage) } : {}) }
    if (!row) return
    if (name.startsWith('flaky')) row.earlier.push(attempt)
    else if (earlier) row.later.push(attempt)
    else row.own = { ...row.own, ...attempt }
    this.message = { attempt, text: '' }
  }

  private suiteRow(outcome: Attempt['outcome']): Row | undefined {
    const parent = this.open.at(-1)
    if (outcome === 'skipped' || !parent || this.stack.at(-1) !== 'testsuite') return undefined
    const row: Row = { suite: parent.path, classname: '', name: '(the suite itself)', earlier: [], later: [], own: { outcome } }
    parent.tests++
    this.rows.push(row)
    return row
  }

  text(text: string) {
    if (this.message && this.message.text.length < maxMessage) this.message.text += text
  }

  closed(name: string) {
    this.stack.pop()
    if (name === 'testsuite') this.open.pop()
    if (name === 'testcase') this.row = undefined
    if (!(name in results || name in earlierResults) || !this.message) return
    const { attempt, text } = this.message
    this.message = undefined
    const row = this.row ?? this.rows.at(-1)
    const shown = text.trim().slice(0, maxMessage)
    if (!row || !shown || attempt.message) return
    const withText = { ...attempt, message: shown }
    if (name in results) row.own = { ...row.own, message: shown }
    else for (const list of [row.earlier, row.later]) if (list.at(-1) === attempt) list[list.length - 1] = withText
  }
}

const statusOf = ({ attempts }: TestCase): keyof Omit<TestCounts, 'tests'> => {
  const last = attempts.at(-1)?.outcome
  const before = attempts.slice(0, -1).some(({ outcome }) => outcome === 'failed' || outcome === 'error')
  if (last === 'passed') return before ? 'flaky' : 'passed'
  return last === 'failed' ? 'failed' : last === 'skipped' ? 'skipped' : 'errors'
}

function gather(rows: readonly Row[]): TestCase[] {
  const cases = new Map<string, TestCase>()
  for (const { suite, classname, name, earlier, own, later } of rows) {
    const key = JSON.stringify([suite, classname, name])
    const attempts = [...(cases.get(key)?.attempts ?? []), ...earlier, own, ...later]
    cases.set(key, { suite, classname, name, attempts })
  }
  return [...cases.values()]
}

/**
 * A JUnit XML report by its test cases: rows of one suite path, classname and name are attempts, the last decides, an earlier
 * failure makes it flaky. Suites without a case (and without inner suites) are listed with 0 tests: an empty suite is no pass.
 * Nothing outside of the report is fetched.
 */
export function readJunit(body: Uint8Array): TestReport {
  const reader = new Reader()
  const parser = new SaxesParser({ position: true })
  parser.on('error', (error) => {
    throw new DomainError('invalid', `the report is not well-formed XML: ${error.message}`, { path: `line ${parser.line}` })
  })
  parser.on('opentag', ({ name, attributes }) => reader.opened(name, attributes as Readonly<Record<string, string>>))
  parser.on('closetag', ({ name }) => reader.closed(name))
  parser.on('text', (text) => reader.text(text))
  parser.on('cdata', (text) => reader.text(text))
  parser.write(legal(decode(body)).trimStart()).close()
  const cases = gather(reader.rows)
  const suites = reader.suites.filter(({ tests, children }) => tests > 0 || children === 0).map(({ path, tests }) => ({ path, tests }))
  const counts: TestCounts = { tests: cases.length, passed: 0, failed: 0, errors: 0, skipped: 0, flaky: 0 }
  for (const one of cases) counts[statusOf(one)]++
  return { suites: suites.length || cases.length ? suites : [{ path: ['(no suite)'], tests: 0 }], counts, cases }
}
