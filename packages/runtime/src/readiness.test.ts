import { expect, onTestFinished, test, vi } from 'vitest'
import { readiness } from './readiness.ts'

test('is ready when every part can work, and names cause and fix of each that cannot', async () => {
  const fine = { name: 'bus', look: async () => undefined }
  const parked = { name: 'parked', look: async () => ({ cause: 'one key', fix: 'retry it', blocks: false }) }
  expect(await readiness([fine, parked])).toEqual({
    ready: true,
    components: [
      { name: 'bus', ready: true },
      { name: 'parked', ready: true, cause: 'one key', fix: 'retry it' },
    ],
  })
  const down = { name: 'database', look: async () => ({ cause: 'refused', fix: 'start it' }) }
  const broken = { name: 'relay', look: () => Promise.reject(new Error('no such table')) }
  expect(await readiness([fine, down, broken])).toMatchObject({
    ready: false,
    components: [{ ready: true }, { ready: false, cause: 'refused' }, { ready: false, cause: 'no such table' }],
  })
})

test('a part that does not answer is not ready', async () => {
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  const answer = readiness([{ name: 'stuck', look: () => new Promise(() => undefined) }])
  await vi.advanceTimersByTimeAsync(3000)
  const { ready, components } = await answer
  expect({ ready, cause: components[0]?.cause }).toEqual({ ready: false, cause: 'no answer within 3000 ms' })
})
