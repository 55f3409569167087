import { describe } from 'vitest'
import { consumingSuite } from './conformance/consuming-suite.ts'
import { endingSuite } from './conformance/ending-suite.ts'
import { sendingSuite } from './conformance/sending-suite.ts'
import { type BusHarness, setStage } from './conformance/stage.ts'
import { topicSuite } from './conformance/topic-suite.ts'

export type { BusHarness } from './conformance/stage.ts'

/** The suite that every adapter of the bus passes. `when` guards it, such as by `needs('kafka')`. */
export function busConformance(
  name: string,
  createHarness: () => Promise<BusHarness>,
  when: { readonly met: boolean } = { met: true },
): void {
  describe(`bus on ${name}`, () => {
    const stage = setStage(createHarness, when.met)
    topicSuite(stage)
    sendingSuite(stage)
    consumingSuite(stage)
    endingSuite(stage)
  })
}
