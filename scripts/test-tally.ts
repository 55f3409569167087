import type { Reporter, TestCase, TestModule, TestRunEndReason, TestSuite } from 'vitest/node'

type Failed = Pick<TestModule | TestSuite, 'errors'> & { name: string }

/** Counts what a run of vitest came to, and says of each skipped test why. */
export class Tally implements Reporter {
  passed = 0
  failed = 0
  skipped = 0
  readonly #reasons = new Map<string, string[]>()
  readonly #broken: string[] = []

  onTestRunEnd(modules: readonly TestModule[], errors: readonly { message?: string }[], reason: TestRunEndReason): void {
    for (const module of modules) {
      this.#countTests(module)
      // A file that cannot be loaded, or a hook that throws, leaves no failed test behind: it counts as one.
      this.#countErrors({ name: module.relativeModuleId, errors: () => module.errors() })
      for (const suite of module.children.allSuites()) {
        this.#countErrors({ name: `${module.relativeModuleId} › ${suite.fullName}`, errors: () => suite.errors() })
      }
    }
    for (const error of errors) this.#fail(`outside of any test: ${error.message ?? String(error)}`)
    if (reason === 'interrupted') this.#fail('the run was interrupted')
  }

  /** What kept vitest from running the tests. That there are none is told by the counts. */
  couldNotStart(error: unknown): void {
    if (error instanceof Error && 'code' in error && error.code === 'VITEST_FILES_NOT_FOUND') return
    this.#fail(error instanceof Error ? (error.stack ?? error.message) : String(error))
  }

  /** What went wrong outside of tests, and each skipped test under its reason. */
  report(): string[] {
    const broken = this.#broken.map((line) => `FAILED ${line}`)
    const skips = [...this.#reasons].flatMap(([reason, tests]) => [
      `SKIPPED ${tests.length}: ${reason}`,
      ...tests.map((name) => `    ${name}`),
    ])
    return [...broken, ...skips]
  }

  #countTests(module: TestModule): void {
    for (const test of module.children.allTests()) {
      const { state } = test.result()
      if (state === 'passed') this.passed += 1
      else if (state === 'failed') this.failed += 1
      else this.#skip(module, test)
    }
  }

  #countErrors({ name, errors }: Failed): void {
    for (const error of errors()) this.#fail(`${name}: ${error.message}`)
  }

  #fail(line: string): void {
    this.failed += 1
    this.#broken.push(line)
  }

  #skip(module: TestModule, test: TestCase): void {
    this.skipped += 1
    const result = test.result()
    const note = result.state === 'skipped' ? result.note : 'it never ran'
    const reason = note ?? 'no reason given (say it with needs(...) of @rondo/testkit or context.skip(reason))'
    this.#reasons.set(reason, [...(this.#reasons.get(reason) ?? []), `${module.relativeModuleId} › ${test.fullName}`])
  }
}
