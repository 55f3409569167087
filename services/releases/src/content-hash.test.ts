import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { contentHash } from './content-hash.ts'

const content = fc.record({ artifacts: fc.array(fc.string()), requirements: fc.array(fc.string()), policy_hash: fc.string() })

test('the hash is over sets: neither order nor repetition changes it', () => {
  fc.assert(
    fc.property(content, ({ artifacts, requirements, policy_hash }) => {
      const again = { artifacts: [...artifacts, ...artifacts].reverse(), requirements: [...requirements].reverse(), policy_hash }
      expect(contentHash(again)).toBe(contentHash({ artifacts, requirements, policy_hash }))
    }),
  )
})

test('a requirement is no artifact and no part of another', () => {
  const hashes = [
    contentHash({ artifacts: ['a'], requirements: ['b'], policy_hash: '' }),
    contentHash({ artifacts: ['b'], requirements: ['a'], policy_hash: '' }),
    contentHash({ artifacts: ['a', 'b'], requirements: [], policy_hash: '' }),
    contentHash({ artifacts: ['a'], requirements: [], policy_hash: 'b' }),
    contentHash({ artifacts: ['a,b'], requirements: [], policy_hash: '' }),
  ]
  expect(new Set(hashes).size).toBe(hashes.length)
})

test('it can be computed again by anybody', () => {
  const text = JSON.stringify([['sha256:a'], ['REQ-1', 'REQ-2'], 'sha256:p'])
  expect(contentHash({ artifacts: ['sha256:a'], requirements: ['REQ-2', 'REQ-1'], policy_hash: 'sha256:p' })).toBe(
    `sha256:${createHash('sha256').update(text).digest('hex')}`,
  )
})
