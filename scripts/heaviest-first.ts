import { relative } from 'node:path'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** The files that take longest, longest first: they start processes and wait for groups to notice who is gone. */
export const heaviest = [
  'test/e2e/kills.test.ts',
  'test/e2e/lost-records.test.ts',
  'packages/runtime/src/plan.int.test.ts',
  'test/e2e/cases.test.ts',
  'test/e2e/foreign-views.test.ts',
  'test/telemetry/jaeger.test.ts',
  'test/upgrade/major-version.test.ts',
  'packages/embedded/src/upgrade.int.test.ts',
  'packages/runtime/src/run-kafka.int.test.ts',
  'services/all-in-one/src/main.int.test.ts',
  'packages/runtime/src/catching-up.int.test.ts',
  'packages/bus/src/kafka/kafka.int.test.ts',
  'packages/ledger/src/store.int.test.ts',
]

/** Vitest knows what takes long from the run before; in a new clone it would take the size of a file for it, and end with one that takes minutes. */
export class HeaviestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId, project }: TestSpecification) => {
      const place = heaviest.indexOf(relative(this.ctx.config.root, moduleId).replaceAll('\\', '/'))
      return { group: project.config.sequence.groupOrder, place: place < 0 ? heaviest.length : place }
    }
    const usual = await super.sort(files)
    const ranked = usual.map((file) => ({ file, ...rank(file) }))
    return ranked.sort((a, b) => a.group - b.group || a.place - b.place).map(({ file }) => file)
  }
}
