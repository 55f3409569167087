import { describe, expect, test } from 'vitest'
import { batches, changeEvent } from './change-event.ts'

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}

const sha = (digit: string) => digit.repeat(40)
const commit = {
  sha: sha('b'),
  parents: [sha('a')],
  author: { name: 'Ada', email: 'ada@example.org' },
  committer: { name: 'Ada', email: 'ada@example.org' },
  committedAt: '2026-11-01T09:00:00.000Z',
  message: 'Step 2',
}
const origin = { host: 'github.com', fullName: 'example/shop' }

describe('a commit as an event', () => {
  test('says the same under the same id, and something else under another', () => {
    const event = changeEvent(origin, commit, new Map())
    expect(changeEvent(origin, { ...commit }, new Map())).toEqual(event)
    expect(event).toMatchObject({
      source: 'git:github.com/example/shop',
      time: commit.committedAt,
      change: { parents: [sha('a')], parents_known: true, shallow: false },
    })
    expect(changeEvent(origin, commit, new Map(), sha('9')).id).not.toBe(event.id)
  })

  test('where a shallow clone ends: the parents are named though git log does not show them', () => {
    const { id, change } = changeEvent(origin, { ...commit, parents: [] }, new Map([[sha('b'), [sha('a')]]]))
    expect(change).toMatchObject({ shallow: true, parents: [sha('a')], parents_known: true })
    expect(id).not.toBe(changeEvent(origin, commit, new Map()).id)
  })
})

async function* from<T>(items: readonly T[]) {
  yield* items
}

test.each([
  ['by number', ['a', 'b', 'c'], { items: 2, bytes: 1000 }, [['a', 'b'], ['c']]],
  ['by bytes', ['aaaa', 'bbbb', 'c'], { items: 9, bytes: 10 }, [['aaaa'], ['bbbb', 'c']]],
  ['one that is too large goes alone', ['a'.repeat(50), 'b'], { items: 9, bytes: 10 }, [['a'.repeat(50)], ['b']]],
  ['none', [], { items: 2, bytes: 10 }, []],
])('batches are bounded %s', async (_, items, most, expected) => expect(await all(batches(from(items), most))).toEqual(expected))
