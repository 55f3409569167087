import { expect, test } from 'vitest'
import { flameChart } from './chart.ts'
import { framesOf, ownerOf, type Profile } from './flame.ts'

const node = (id: number, functionName: string, children: readonly number[] = [], url = '') => ({
  id,
  callFrame: { functionName, url },
  children: [...children],
})
const profile: Profile = {
  nodes: [node(1, '(root)', [2, 5]), node(2, 'outer', [3, 4]), node(3, 'slow'), node(4, 'fast'), node(5, '(idle)')],
  samples: [3, 4, 3, 5],
  timeDeltas: [30, 20, 50, 900],
}

test('frames are as wide as their share of the work, waiting left out, each above its caller', () => {
  expect(framesOf([profile])).toEqual([
    { name: 'outer', owner: 'node', depth: 0, from: 0, to: 1 },
    { name: 'slow', owner: 'node', depth: 1, from: 0, to: 0.8 },
    { name: 'fast', owner: 'node', depth: 1, from: 0.8, to: 1 },
  ])
})

test('profiles of several processes add up', () => {
  const other: Profile = { ...profile, samples: [4], timeDeltas: [100] }
  const [, first] = framesOf([profile, other])
  expect(first).toMatchObject({ name: 'fast', from: 0, to: 0.6 })
})

test.each([
  ['file:///srv/rondo/packages/ledger/src/batch.ts', 'packages/ledger'],
  ['file:///srv/rondo/node_modules/.pnpm/pg@8.0.0/node_modules/pg/lib/client.js', 'pg'],
  ['file:///srv/rondo/node_modules/.pnpm/x/node_modules/@grpc/grpc-js/build/src/call.js', '@grpc/grpc-js'],
  ['node:internal/process/task_queues', 'node'],
])('%s is of %s', (url, owner) => {
  expect(ownerOf(url)).toBe(owner)
})

test('the drawing is a file of its own that names what it shows', () => {
  const svg = flameChart('ledger', framesOf([profile]))
  expect(svg).toMatch(/^<svg [^>]*xmlns="http:\/\/www.w3.org\/2000\/svg"/)
  expect(svg).toContain('slow (node): 80.0 %')
})
