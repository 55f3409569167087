import { freshDatabase, needs, ownEngine, sharedMissing } from '@rondo/testkit'
import { describe, expect, test } from 'vitest'
import { type Processes, services, startProcesses } from '../rig/processes.ts'
import { fixed, requester, Story, service } from './story.ts'

needs('postgres18', 'kafka', { also: sharedMissing('corpus') })
const withProcesses = async (env: Readonly<Record<string, string>>, work: (rondo: Processes) => Promise<void>) => {
  const rondo = await startProcesses({ RONDO_DATABASE_URL: await freshDatabase(), ...env })
  try {
    await work(rondo)
  } catch (error) {
    for (const line of rondo.log.filter((one) => /"level":"(warn|error)"/.test(one)).slice(-20)) console.log(line)
    throw error
  } finally {
    await rondo.end()
  }
}

/** Milliseconds; beside other tests on a small machine. */
const patience = 120_000

async function turn(rondo: Processes): Promise<void> {
  expect(new Set(rondo.all.map(({ pid }) => pid)).size).toBe(services.length)
  const story = new Story(rondo)
  await story.whole()
  const { requirement, proof, runs, notices } = await story.end()
  expect(requirement).toMatchObject({ summary: { phase: 'verified', service } })
  expect(proof).toMatchObject({ proof: { phase: 'verified', requirement_id: story.requirement } })
  expect(runs).toMatchObject({ artifact: fixed })
  expect((notices as { notices: object[] }).notices).toMatchObject([
    { kind: 'verified', requester_id: requester, requirement_id: story.requirement, delivered_at: expect.stringMatching(/Z$/) },
  ])
}

describe('each service as a process of its own: from an alert of the corpus to a verified requirement and its notice', () => {
  test(
    'on Kafka',
    async () => {
      const kafka = await ownEngine('kafka')
      try {
        await withProcesses({ RONDO_KAFKA_BROKERS: kafka.address }, turn)
      } finally {
        await kafka.stop()
      }
    },
    patience,
  )

  test('on the bus in PostgreSQL', () => withProcesses({}, turn), patience)
})
