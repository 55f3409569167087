import { constants } from 'node:os'
import { createVitest, type Vitest } from 'vitest/node'
import { asked } from './asked.ts'
import { Tally } from './test-tally.ts'

const usage = `npm test -- [--fail-on-skip] [--project unit|integration]... [-t PART] [PART]...

Runs the unit and the integration tests, or those of the files whose path holds a PART, and ends with one plain line: "N passed, N failed"
(", N skipped").

  --project NAME   only unit, or only integration
  -t PART          only tests whose name holds it (a regular expression)
  --fail-on-skip   a skipped test counts as a failure (CI_NO_SKIP=1 does the same)
  --root FOLDER    the tests of another tree

Ends with 0 when all passed; 1 when any failed, or nothing ran, or a skipped one counts; 2 when it was not understood; 130 or 143 when
interrupted.
`

const givenUpAfter_ms = 15_000

const { values, positionals } = asked(usage, {
  allowPositionals: true,
  options: {
    'fail-on-skip': { type: 'boolean', default: ['1', 'true'].includes(process.env.CI_NO_SKIP ?? '') },
    project: { type: 'string', multiple: true, default: [] },
    name: { type: 'string', short: 't' },
    root: { type: 'string' },
  },
})

/** The signal that asked the run to end: the tests under way end, the engines are stopped, then the process exits. */
let interruptedBy: 'SIGINT' | 'SIGTERM' | undefined

function endOn(signal: 'SIGINT' | 'SIGTERM', vitest: Vitest): void {
  process.removeAllListeners(signal) // vitest's own exits at once and leaves the engines running
  process.on(signal, () => {
    if (interruptedBy !== undefined) return // npm passes on the Ctrl-C that the terminal has sent already
    interruptedBy = signal
    console.error(`${signal}: stopping the tests and their engines`)
    setTimeout(() => process.exit(exitCode()), givenUpAfter_ms).unref()
    void vitest.cancelCurrentRun('keyboard-input')
  })
}

const tally = new Tally()
const vitest = await createVitest('test', {
  run: true,
  watch: false,
  passWithNoTests: true, // counted below, with our own words
  reporters: [process.env.CI ? 'verbose' : 'default', tally],
  ...(values.root !== undefined && { root: values.root }),
  ...(values.project.length > 0 && { project: values.project }),
  ...(values.name !== undefined && { testNamePattern: values.name }),
})
endOn('SIGINT', vitest)
endOn('SIGTERM', vitest)
try {
  await vitest.start(positionals)
} catch (error) {
  tally.couldNotStart(error)
}
await vitest.close()

function exitCode(): number {
  if (interruptedBy !== undefined) return 128 + constants.signals[interruptedBy]
  const { passed, failed, skipped } = tally
  return failed > 0 || passed === 0 || (values['fail-on-skip'] && skipped > 0) ? 1 : 0
}

const { passed, failed, skipped } = tally
if (interruptedBy === undefined) for (const line of tally.report()) console.log(line)
if (values['fail-on-skip'] && skipped > 0) console.log('Skipped tests count as a failure of this run (--fail-on-skip or CI_NO_SKIP).')
if (passed + failed === 0) console.log('No test ran: that counts as a failure of this run.')
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
process.exit(exitCode())
