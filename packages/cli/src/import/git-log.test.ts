import { describe, expect, test } from 'vitest'
import { parentsOfRaw, parseLog, parsePatchIds, parseRemote } from './git-log.ts'

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}

const sha = (digit: string) => digit.repeat(40)
const record = (...fields: readonly string[]) => `${fields.join('\0')}\0`

async function* inPieces(bytes: Uint8Array, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

describe('git log', () => {
  const text =
    record(
      sha('b'),
      `${sha('a')} ${sha('c')}`,
      'Zoë',
      'zoe@example.org',
      'GitHub',
      'noreply@github.com',
      '1700000000',
      'Merge\n\nFixes REQ-1\n',
    ) + record(sha('a'), '', '', '', 'Ada', 'ada@example.org', '0', '')

  test.each([1, 3, 7, 10_000])('is read whatever the pieces are that it comes in (%i bytes)', async (size) => {
    const commits = await all(parseLog(inPieces(new TextEncoder().encode(text), size)))
    expect(commits).toEqual([
      {
        sha: sha('b'),
        parents: [sha('a'), sha('c')],
        author: { name: 'Zoë', email: 'zoe@example.org' },
        committer: { name: 'GitHub', email: 'noreply@github.com' },
        committedAt: '2023-11-14T22:13:20.000Z',
        message: 'Merge\n\nFixes REQ-1',
      },
      {
        sha: sha('a'),
        parents: [],
        author: { name: '', email: '' },
        committer: { name: 'Ada', email: 'ada@example.org' },
        committedAt: '1970-01-01T00:00:00.000Z',
        message: '',
      },
    ])
  })

  test('that ends in the middle of a commit is an error, not a shorter history', async () => {
    const cut = new TextEncoder().encode(text.slice(0, -60))
    await expect(all(parseLog(inPieces(cut, 100)))).rejects.toThrow('cut off')
  })
})

test('a raw commit names its parents, and a message that looks like one does not', () => {
  const raw = `tree ${sha('0')}\nparent ${sha('1')}\nparent ${sha('2')}\nauthor A <a@b> 1 +0000\n\nparent ${sha('3')}\n`
  expect(parentsOfRaw(raw)).toEqual([sha('1'), sha('2')])
})

test('patch ids by commit', () => {
  expect([...parsePatchIds(`${sha('1')} ${sha('a')}\n${sha('2')} ${sha('b')}\n`)]).toEqual([
    [sha('a'), sha('1')],
    [sha('b'), sha('2')],
  ])
})

test.each([
  ['https://github.com/example/shop.git', 'github.com', 'example/shop'],
  ['https://user:secret@git.example.org:8443/group/sub/shop', 'git.example.org:8443', 'group/sub/shop'],
  ['git@github.com:example/shop.git', 'github.com', 'example/shop'],
  ['ssh://git@git.example.org/example/shop.git/', 'git.example.org', 'example/shop'],
])('the remote %s', (url, host, fullName) => expect(parseRemote(url)).toEqual({ host, fullName }))

test.each(['/srv/git/shop.git', 'file:///srv/git/shop.git', '../shop', 'C:/shop', ''])('%j is a path on this machine', (url) =>
  expect(parseRemote(url)).toBeUndefined(),
)
