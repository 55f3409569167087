import { existsSync, readFileSync } from 'node:fs'
import { DomainError } from '@rondo/kernel'
import { needs, shared, sharedMissing } from '@rondo/testkit'
import { describe, expect, test } from 'vitest'
import { actorOf } from '../identity.ts'
import { parseJson } from '../json.ts'
import { adaptAlertmanager } from './alertmanager.ts'
import { adaptCloudEvent } from './cloudevents.ts'
import { adaptGithub } from './github.ts'
import { readJunit, type TestReport } from './junit.ts'

const now = '2026-11-25T09:00:00.000000Z'
const who = (identity: Parameters<typeof actorOf>[0]) => actorOf(identity, new Map())

/** The corpus' files of one kind with what is expected of them. */
const corpus = (kind: string, wanted: (file: string, expected: string) => boolean) =>
  readFileSync(shared('corpus', 'INDEX.tsv'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => line.split('\t'))
    .filter(([of, file = '', expected = '']) => of === kind && wanted(file, expected))
    .map(([, file = '', expected]) => ({ file, expected, bytes: () => readFileSync(shared('corpus', kind, file)) }))

type Fate<T> = { readonly code: 'accepted'; readonly value: T } | { readonly code: string; readonly reason: string }
function fateOf<T>(run: () => T): Fate<T> {
  try {
    return { code: 'accepted', value: run() }
  } catch (error) {
    if (error instanceof DomainError) return { code: error.code, reason: error.message }
    throw error
  }
}
/** How many of each fate; a file that falls out of the table changes it. */
const tally = (fates: readonly { readonly code: string }[]) =>
  Object.fromEntries(['accepted', 'unsupported', 'invalid'].map((code) => [code, fates.filter((fate) => fate.code === code).length]))

describe('every file of the corpus has a fate', () => {
  needs({ also: sharedMissing('corpus') })

  test('GitHub webhooks: accepted, or unsupported with a reason', () => {
    const fates = corpus('github-webhooks', (file) => file.endsWith('.json')).map(({ file, bytes }) =>
      fateOf(() => adaptGithub(file.split('/').at(-2) ?? '', { id: 'd-1', body: parseJson(bytes()), who })),
    )
    expect(tally(fates)).toEqual({ accepted: 21, unsupported: 25, invalid: 0 })
    for (const fate of fates) if (fate.code === 'unsupported') expect('reason' in fate && fate.reason).toMatch(/not used/)
  })

  test('CDEvents 0.3 to 0.6: accepted, or unsupported with a reason', () => {
    const fates = corpus('cdevents', (_, expected) => expected === 'valid').map(({ bytes }) => {
      const data = parseJson(bytes()) as { context: { id: string; source: string; type: string } }
      return fateOf(() => adaptCloudEvent({ ...data.context, data }, now))
    })
    expect(tally(fates)).toEqual({ accepted: 36, unsupported: 58, invalid: 0 })
  })

  test('CDEvents made invalid by mutation are refused with the path', () => {
    const mutations: readonly (readonly [
      RegExp,
      (event: { context: Record<string, unknown>; subject: { id?: unknown; content: Record<string, unknown> } }) => void,
    ])[] = [
      [/timestamp/, ({ context }) => delete context.timestamp],
      [/timestamp/, ({ context }) => Object.assign(context, { timestamp: '2026-02-30T00:00:00Z' })],
      [/timestamp.*future/, ({ context }) => Object.assign(context, { timestamp: '2030-01-01T00:00:00Z' })],
      [/subject\.id/, ({ subject }) => delete subject.id],
      [/outcome/, ({ subject }) => Object.assign(subject.content, { outcome: 'great' })],
    ]
    const sound = parseJson(
      readFileSync(shared('corpus', 'cdevents', 'cdevents__spec@v0.4.1/conformance/testsuiterun_finished.json')),
    ) as Parameters<(typeof mutations)[0][1]>[0]
    for (const [said, mutate] of mutations) {
      const data = structuredClone(sound)
      mutate(data)
      const { id, source, type } = data.context as { id: string; source: string; type: string }
      expect(() => adaptCloudEvent({ id, source, type, data }, now)).toThrow(said)
    }
  })

  test('Alertmanager notifications', () => {
    const notifications = corpus('alerts', (file) => /alertmanager.*\.json$/.test(file)).map(({ bytes }) =>
      adaptAlertmanager(parseJson(bytes()), { hash: 'd', heard_at: now, isFirst: true }),
    )
    expect(notifications.map(({ events, refused }) => [events.length, refused.length])).toEqual([
      [0, 1],
      [2, 0],
      [1, 0],
    ])
    expect(notifications[0]?.refused[0]).toMatchObject({ path: 'alerts[0].startsAt', code: 'unsupported' })
  })

  const reports = () =>
    corpus('ci-reports', (file, expected) => /^(EnricoMi|dorny|jenkinsci).*\.(xml|trx)$/.test(file) && /^(in)?valid$/.test(expected)).map(
      (entry) => ({ ...entry, fate: fateOf(() => readJunit(entry.bytes())) }),
    )

  test('JUnit reports: counted, another format named, what is no report refused', () => {
    expect(tally(reports().map(({ fate }) => fate))).toEqual({ accepted: 39, unsupported: 19, invalid: 2 })
    for (const { file, fate, expected } of reports()) if (expected === 'invalid') expect(fate.code, file).not.toBe('accepted')
  })

  test('JUnit counts are those that another tool found', () => {
    const compared = reports().flatMap(({ file, fate }) => {
      const results = shared('corpus', 'ci-reports', file.replace(/\.xml$/, '.results.json'))
      if (!('value' in fate) || !existsSync(results)) return []
      const { stats } = JSON.parse(readFileSync(results, 'utf8')) as { stats: Record<string, number> }
      const { tests, passed, failed, errors, skipped, flaky } = (fate.value as TestReport).counts
      // That tool believes the attributes of a suite without cases; here it is empty
      const believed = file.endsWith('no-cases-but-tests.xml')
      return [
        {
          file,
          ours: believed ? tests : [tests, passed + flaky, failed, errors, skipped],
          theirs: believed ? 0 : ['', '_succ', '_fail', '_error', '_skip'].map((kind) => stats[`tests${kind}`]),
        },
      ]
    })
    expect(compared.length).toBeGreaterThan(7)
    for (const { file, ours, theirs } of compared) expect(ours, file).toEqual(theirs)
  })
})
