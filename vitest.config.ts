import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import { HeaviestFirst } from './scripts/heaviest-first.ts'

const conditions = ['development', 'module', 'node']
const resolving = { resolve: { conditions }, ssr: { resolve: { conditions } } }
const engines = fileURLToPath(new URL('packages/testkit/src/vitest-setup.ts', import.meta.url))
// For the workers and for every process that they start: starting is most of what the slow tests do
process.env.NODE_COMPILE_CACHE ??= fileURLToPath(new URL('node_modules/.cache/compiled', import.meta.url))
const never = ['**/node_modules/**', '**/dist/**', '**/.rondo/**']

export default defineConfig({
  ...resolving,
  test: {
    passWithNoTests: false,
    sequence: { sequencer: HeaviestFirst },
    projects: [
      {
        ...resolving,
        test: {
          name: 'unit',
          include: [
            'packages/**/*.test.ts',
            'proto/src/**/*.test.ts',
            'services/**/*.test.ts',
            'scripts/**/*.test.ts',
            'test/tidy/**/*.test.ts',
            'test/simulate/**/*.test.ts',
            'test/chaos/**/*.test.ts',
            'test/bench/**/*.test.ts',
            'test/mutants/**/*.test.ts',
          ],
          exclude: [...never, '**/*.int.test.ts'],
          // Pure files share a worker: starting one costs more than most of them take.
          isolate: false,
          // By default vitest leaves one core idle: of two that is half.
          maxWorkers: '100%',
          testTimeout: 20_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        ...resolving,
        test: {
          name: 'integration',
          include: ['packages/**/*.int.test.ts', 'services/**/*.int.test.ts', 'test/**/*.test.ts'],
          exclude: [...never, 'test/tidy/**', 'test/simulate/**', 'test/mutants/**', 'test/chaos/**', 'test/bench/**'],
          globalSetup: existsSync(engines) ? [engines] : [],
          testTimeout: 60_000,
          hookTimeout: 180_000,
          // One more than the cores of a small machine: much of the time is waiting for others to be given up.
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
})
