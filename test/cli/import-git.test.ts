import { execFileSync } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { needs, shared, sharedMissing, temporaryFolder } from '@rondo/testkit'
import { afterAll, expect, test } from 'vitest'
import { type Rondo, startRondo } from '../rig/rondo.ts'
import { command } from './command.ts'

const engine = needs('postgres18', { also: sharedMissing('cases') })
let rondo: Rondo
const folder = temporaryFolder('git')
engine.beforeAll(async () => {
  rondo = await startRondo()
})
afterAll(async () => {
  await rondo?.stop()
  rmSync(folder, { recursive: true, force: true })
})

const git = (...args: readonly string[]) =>
  execFileSync('git', args, {
    env: { ...process.env, GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_SYSTEM: '/dev/null' },
    encoding: 'utf8',
  }).trim()
const importing = async (path: string, ...more: readonly string[]) => {
  const { exit, out, err } = await command(rondo, ['import', 'git', path, '--json', ...more])
  expect({ exit, err }).toEqual({ exit: 0, err: '' })
  return JSON.parse(out)
}

/** Commits in one go: a stream for `git fast-import`, each tenth a merge. */
function generated(name: string, commits: number): string {
  const path = join(folder, name)
  git('init', '-q', '-b', 'main', path)
  const lines = Array.from({ length: commits }, (_, index) => {
    const mark = index + 1
    const who = `Zoë <zoe@example.org> ${1_700_000_000 + index * 60} +0100`
    const message = `Change ${mark}\n\nwith "words" and a tab\t\n`
    const parents = [index > 0 ? `from :${index}` : '', index > 0 && mark % 10 === 0 ? `merge :${Math.max(1, mark - 5)}` : ''].filter(
      Boolean,
    )
    const content = `line ${mark}\n`
    const size = (text: string) => Buffer.byteLength(text)
    return [
      `commit refs/heads/main`,
      `mark :${mark}`,
      `author ${who}`,
      `committer ${who}`,
      `data ${size(message)}`,
      message,
      ...parents,
      `M 100644 inline f${mark % 7}`,
      `data ${size(content)}`,
      content,
    ].join('\n')
  })
  execFileSync('git', ['-C', path, 'fast-import', '--quiet'], { input: `${lines.join('\n')}\n` })
  return path
}

test('a whole history, in batches; again, all of it is known', async () => {
  const path = generated('shop', 1203)
  const first = await importing(path)
  expect(first).toEqual({
    repository: { host: 'local', full_name: 'shop' },
    commits: 1203,
    accepted: 1203,
    duplicates: 0,
    refused: [],
    shallow_ends: [],
    seconds: expect.any(Number),
    read: true,
  })
  const head = git('-C', path, 'rev-parse', 'HEAD')
  const { change } = (await rondo.rpc('rondo.builds.v1.Builds/GetChange', { commit: head })).body
  expect(change).toMatchObject({
    subject: 'Change 1203',
    parents: [git('-C', path, 'rev-parse', 'HEAD^')],
    parents_known: true,
    shallow: false,
    committed_at: '2023-11-15T18:15:20.000000Z',
  })
  const root = git('-C', path, 'rev-list', '--max-parents=0', 'HEAD')
  expect((await rondo.rpc('rondo.builds.v1.Builds/Contains', { revision: head, commit: root })).body.answer).toBe('yes')

  expect(await importing(path)).toMatchObject({ commits: 1203, accepted: 0, duplicates: 1203 })
  const { out } = await command(rondo, ['import', 'git', path])
  expect(out).toMatch(/^local\/shop: 1,203 commits in .* all 1,203 commits were known already\n$/)
}, 120_000)

test('24-git-shallow-is-unknown: where a clone ends is not where history begins', async () => {
  const { steps } = JSON.parse(readFileSync(shared('cases', '24-git-shallow-is-unknown.json'), 'utf8')) as {
    steps: readonly { do: string; body?: { repository: string; commit: string; revision: string }; body_text?: string }[]
  }
  const repository = join(folder, 'clone')
  execFileSync('bash', ['-s', repository], { input: steps.find(({ do: what }) => what.startsWith('setup'))?.body_text ?? '' })
  await rondo.rpc('rondo.operations.v1.Operations/PutService', {
    service: 'shop',
    owner: 'team-shop',
    repositories: ['example/shop'],
    artifacts: ['pkg:oci/shop'],
    alert_labels: { service: 'shop' },
  })
  const questions = steps.filter(({ do: what }) => what.endsWith('Contains')).map(({ body }) => body)
  const ask = async (index: number) => (await rondo.rpc('rondo.builds.v1.Builds/Contains', questions[index])).body

  const cut = await command(rondo, ['import', 'git', repository, '--repository', 'example/shop'])
  expect(cut.exit).toBe(0)
  expect(cut.err).toContain('the clone is shallow: it ends at bf381f4068 (its parent 3bca68e18a is not here)')
  expect(cut.out).toContain('2 commits in')
  const changes = async () => (await rondo.rpc('rondo.builds.v1.Builds/ListChanges', { service: 'shop' })).body.changes
  expect(await changes()).toHaveLength(2)
  expect(await ask(0)).toMatchObject({ answer: 'yes', rests_on: 'bf381f4068fc8c79f3bac7a389a772da52658953' })
  expect(await ask(1)).toMatchObject({ answer: 'unknown', missing: [expect.stringMatching(/^3bca68e18a/)] })

  // Four are new, and of the one at which the clone ended more is known; the newest is known
  expect(await importing(`${repository}.full`, '--repository', 'example/shop')).toMatchObject({ commits: 6, accepted: 5, duplicates: 1 })
  expect(await changes()).toHaveLength(6)
  expect(await ask(2)).toMatchObject({ answer: 'yes' })
  expect(await ask(3)).toMatchObject({ answer: 'no' })
})

test('patch ids find a cherry-pick that says nothing of it', async () => {
  const path = generated('picked', 3)
  git('-C', path, 'checkout', '-q', '-f', 'main')
  git('-C', path, 'checkout', '-q', '-b', 'release', 'HEAD~2')
  git('-C', path, '-c', 'user.name=Zoe', '-c', 'user.email=zoe@example.org', 'cherry-pick', 'main')
  await importing(path, '--patch-id')
  const revision = git('-C', path, 'rev-parse', 'release')
  const found = (await rondo.rpc('rondo.builds.v1.Builds/Contains', { revision, commit: git('-C', path, 'rev-parse', 'main') })).body
  expect(found).toMatchObject({ answer: 'yes', rests_on: revision })
})

test.each([
  ['a folder that is none', () => folder, 'is no git repository', 5],
  ['a folder that is not there', () => join(folder, 'nowhere'), 'there is no folder', 5],
])('%s', async (_, path, message, exit) => {
  const ended = await command(rondo, ['import', 'git', path()])
  expect(ended).toMatchObject({ exit, out: '' })
  expect(ended.err).toContain(message)
})

test('a repository without commits has nothing to import', async () => {
  git('init', '-q', join(folder, 'empty'))
  expect(await importing(join(folder, 'empty'))).toMatchObject({ commits: 0, accepted: 0, read: true })
})
