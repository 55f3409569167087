import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { needs, repositoryRoot, shared, sharedMissing } from '@rondo/testkit'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { caseOf, play, step } from '../rig/case.ts'
import { type Rondo, startRondo } from '../rig/rondo.ts'

/** Cases that need faults or a command have tests of their own. */
const elsewhere: Readonly<Record<string, string>> = {
  '24-git-shallow-is-unknown': 'test/cli/import-git.test.ts',
  '29-pg-migration-lock-left-behind': 'packages/ledger/src/migration.int.test.ts',
  '31-kafka-offset-out-of-range': 'test/e2e/lost-records.test.ts',
  '33-kafka-batch-larger-than-broker-takes': 'test/e2e/cases.test.ts',
  '34-grpc-slow-reader-loses-nothing': 'test/e2e/cases.test.ts',
}

const { met } = needs('postgres18', { also: sharedMissing('cases') })
let rondo: Rondo
beforeEach(async () => {
  if (met) rondo = await startRondo()
})
afterEach(async (context) => {
  if (context.task.result?.state === 'fail')
    for (const line of rondo.log.filter((one) => /"level":"(warn|error)"/.test(one)).slice(-20)) console.log(line)
  await rondo?.stop()
})

const statuses = (answers: readonly { status: number }[]) => answers.map(({ status }) => status)
const builds = (method: string, request: object) => rondo.rpc(`rondo.builds.v1.Builds/${method}`, request)

describe("what others' users met", () => {
  test('01-gh-annotated-tag-push: the tag object is no commit', async () => {
    const answers = await play(rondo, '01-gh-annotated-tag-push')
    expect(statuses(answers)).toEqual([200, 202, 202, 200, 200])
    const commit = '2f22765d04931a078909145ca628d2264c852d7d'
    const tag = 'ff91dae6821c9ab9a0ba62be904aa8072cba24ed'
    expect(answers[3]?.body.changes.map((one: { commit: string }) => one.commit)).toEqual([commit])
    expect(answers[4]?.body).toMatchObject({ answer: 'yes', rests_on: commit })
    const { repositories } = (await builds('ListRepositories', {})).body
    expect(repositories).toHaveLength(1)
    expect(repositories[0].refs).toContainEqual(expect.objectContaining({ name: 'v1.4.0', kind: 'tag', target: commit, object: tag }))
    expect(
      repositories[0].refs.filter((ref: { name: string; kind: string }) => ref.name.includes('v1.4.0') && ref.kind === 'branch'),
    ).toEqual([])
  })

  test('03-gh-repository-renamed: the id counts, not the name', async () => {
    const answers = await play(rondo, '03-gh-repository-renamed')
    expect(statuses(answers)).toEqual([200, 202, 202, 202, 200, 200])
    const known = answers[4]?.body.changes.map((one: { commit: string }) => one.commit.slice(0, 10))
    expect(known.sort()).toEqual(['1a8b8fafff', 'ec76c78071'])
    const { repositories } = (await builds('ListRepositories', {})).body
    expect(repositories).toContainEqual(
      expect.objectContaining({
        platform_id: '186853002',
        full_name: 'example/storefront',
        former_names: ['example/shop'],
        service: 'shop',
      }),
    )
    expect(JSON.stringify(answers[5]?.body.unmapped)).toContain('990001777')
  })

  test('05-gh-deployment-turns-inactive: a newer one took over, the older did not fail', async () => {
    const answers = await play(rondo, '05-gh-deployment-turns-inactive')
    expect(statuses(answers)).toEqual([200, 202, 202, 202, 202, 202, 200, 200])
    const { deployment_frequency: frequency, change_failure_rate: failures } = answers[6]?.body ?? {}
    expect(frequency.deployment_ids).toHaveLength(2)
    expect(failures).toMatchObject({ numerator: 0, denominator: 2 })
    const { body: running } = answers[7] ?? {}
    expect(running.since).toBe('2026-11-12T12:00:00.000000Z')
    expect(running.deployment_id).toMatch(/9002/)
  })

  test('07-gh-deleted-account-no-sender: who is unknown is listed and blocks', async () => {
    const answers = await play(rondo, '07-gh-deleted-account-no-sender')
    expect(statuses(answers)).toEqual([200, 202, 200, 200])
    const [merged] = answers[2]?.body.changes ?? []
    expect(merged.merge_requests[0]).toMatchObject({ number: '77', state: 'merged', head: expect.stringMatching(/^33062733a6/) })
    const text = JSON.stringify(answers[3]?.body)
    expect(text).toContain('unknown:deleted-account')
    expect(text).toMatch(/unidentified|cannot be identified|unknown/)
  })

  test('09-am-mixed-group: each alert speaks for itself', async () => {
    const answers = await play(rondo, '09-am-mixed-group')
    const ends = (index: number) =>
      answers[index]?.body.signals.map((one: { phase: string; ended_at: string }) => [one.phase, one.ended_at.slice(11)]).sort()
    expect(ends(3)).toEqual([
      ['cleared', '08:12:30.500000Z'],
      ['open', ''],
    ])
    expect(ends(5)).toEqual([
      ['cleared', '08:12:30.500000Z'],
      ['cleared', '08:20:00.000000Z'],
    ])
    expect(answers[5]?.body.signals.map((one: { episode_count: string }) => one.episode_count)).toEqual(['1', '1'])
  })

  test('10-am-truncated-group: absence from a cut list is no end', async () => {
    const answers = await play(rondo, '10-am-truncated-group')
    const phases = (index: number) => answers[index]?.body.signals.map((one: { phase: string }) => one.phase).sort()
    expect(phases(3)).toEqual(['open', 'open', 'open'])
    expect(phases(5).filter((phase: string) => phase === 'cleared')).toHaveLength(2)
    const open = answers[5]?.body.signals.find((one: { phase: string }) => one.phase !== 'cleared')
    expect(open.phase).toBe('uncertain')
    expect(JSON.stringify(open.notes)).toMatch(/4/)
    const [source] = answers[6]?.body.sources ?? []
    expect(Number(source.alerts_left_out)).toBe(5)
    expect(Number(source.cut_messages)).toBe(2)
    expect(source.advice).toMatch(/max_alerts/)
  })

  test('11-am-one-bad-alert-in-group: the others arrive', async () => {
    const answers = await play(rondo, '11-am-one-bad-alert-in-group')
    expect(answers[1]?.status).toBe(202)
    expect(answers[1]?.body.results.map((one: { status: string }) => one.status).sort()).toEqual(['accepted', 'accepted', 'refused'])
    expect(answers[2]?.body.signals.map((one: { phase: string }) => one.phase)).toEqual(['open', 'open'])
    expect(answers[3]?.body.refused[0]).toMatchObject({
      path: expect.stringMatching(/^alerts\[1\]/),
      code: expect.any(String),
      raw: expect.stringContaining('{'),
    })
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${await rondo.token('service:alertmanager', 'reporter')}` }
    expect((await rondo.send('POST', '/v1/webhooks/alertmanager', { body: '{"hello":"world"}', headers })).status).toBe(400)
  })

  test('15-junit-nested-suite-counted-as-test: cases are counted, attributes are not', async () => {
    const answers = await play(rondo, '15-junit-nested-suite-counted-as-test')
    expect(answers.at(-1)).toMatchObject({ status: 200, body: { tests: 5, failed: 1, errors: 0, skipped: 0, passed: 4 } })
    expect(answers.at(-1)?.body.cases.map((one: { name: string }) => one.name)).toContain('cart > totals > adds')
  })

  test('16-junit-retry-as-second-testcase: the last attempt decides, flaky is told', async () => {
    const answers = await play(rondo, '16-junit-retry-as-second-testcase')
    const uploaded = answers.find(({ body }) => body.tests !== undefined)
    expect(uploaded).toMatchObject({ status: 200, body: { tests: 3, passed: 2, flaky: 1, failed: 0, errors: 0, skipped: 0 } })
    const [report] = answers.at(-1)?.body.reports ?? []
    const flaky = report.cases.find((one: { name: string }) => one.name === 'paysWithCard')
    expect(flaky.attempts).toMatchObject([{ outcome: 'failed', message: expect.stringMatching(/./) }, { outcome: 'passed' }])
    const again = caseOf('16-junit-retry-as-second-testcase').steps.find((one) => one.do.includes('junit'))
    if (!again) throw new Error('the case has no upload')
    expect((await step(rondo, again)).body).toMatchObject({ tests: 3, flaky: 1 })
    await rondo.settled()
    expect((await builds('ListEvidence', { artifact: report.artifact })).body.reports).toHaveLength(1)
  })

  test('17-junit-empty-second-report: an empty suite is no pass', async () => {
    const answers = await play(rondo, '17-junit-empty-second-report')
    const uploads = answers.filter(({ body }) => body.tests !== undefined)
    expect(uploads.map(({ status, body }) => [status, body.tests])).toEqual([
      [200, 2],
      [200, 0],
    ])
    expect(uploads[1]?.body.empty_suites).toEqual(['e2e'])
    const { decision } = answers.at(-1)?.body ?? {}
    expect(decision).toMatchObject({ verdict: 'inconclusive', release_allowed: false })
    expect(JSON.stringify(decision)).toContain('e2e')
  })

  test('20-ce-percent-encoded-header: decoded exactly once', async () => {
    const answers = await play(rondo, '20-ce-percent-encoded-header')
    expect(answers.slice(0, 3).map(({ status }) => status)).toEqual([202, 202, 400])
    expect(answers[2]?.body).toMatchObject({ code: 'invalid', path: 'ce-subject' })
    const { test_runs: runs } = answers[3]?.body ?? {}
    expect(runs).toHaveLength(1)
    expect(JSON.stringify(runs)).toContain('zürich store/100%')
    const receipt = await rondo.send('GET', answers[0]?.body.results[0].receipt, {
      headers: { authorization: `Bearer ${await rondo.token('admin', 'admin')}` },
    })
    expect(receipt.body).toMatchObject({ outcome: 'applied', duplicates: '1', conflicts: '0' })
  })

  test('22-cd-run-id-is-the-suite-name: two finishes of one run are shown as a conflict', async () => {
    const answers = await play(rondo, '22-cd-run-id-is-the-suite-name')
    expect(answers[0]?.body.results.map((one: { status: string }) => one.status)).toEqual(['accepted', 'accepted'])
    const { test_run: run } = answers[1]?.body ?? {}
    expect(run).toMatchObject({ outcome: 'failure' })
    expect(run.finishes ?? run.conflicts).toHaveLength(2)
  })

  test('27-pg-pages-within-one-millisecond: pages neither repeat nor skip', async () => {
    const [emitted] = caseOf('27-pg-pages-within-one-millisecond').steps
    if (!emitted) throw new Error('the case has no events')
    expect((await step(rondo, emitted)).status).toBe(202)
    await rondo.settled()
    const pages = async (order: string, page_size: number) => {
      const found: string[][] = []
      for (let token = ''; found.length < 50; ) {
        const { body } = await builds('ListBuilds', { source: 'https://ci.example.org/keyset', order, page_size, page_token: token })
        found.push(body.builds.map((one: { build_id: string }) => one.build_id))
        token = body.next_page_token
        if (!token) break
      }
      return found
    }
    const ascending = await pages('occurred_at', 1)
    expect(ascending.flat()).toHaveLength(9)
    expect(new Set(ascending.flat()).size).toBe(9)
    const descending = await pages('occurred_at desc', 2)
    expect(descending).toHaveLength(5)
    expect(descending.flat()).toEqual(ascending.flat().reverse())
  })

  test('37-dora-three-incidents-one-deployment: deployments are counted, not incidents', async () => {
    const answers = await play(rondo, '37-dora-three-incidents-one-deployment')
    const {
      deployment_frequency: frequency,
      change_failure_rate: failures,
      failed_deployment_recovery_time: recovery,
    } = answers.at(-1)?.body ?? {}
    expect(frequency.deployment_ids).toHaveLength(2)
    expect(failures).toMatchObject({ numerator: 1, denominator: 2, percent: 50 })
    for (const incident of ['INC-1', 'INC-2', 'INC-3']) expect(JSON.stringify(failures.failed)).toContain(incident)
    expect(recovery.spans).toHaveLength(1)
    expect(recovery.median_seconds).toBe(125 * 60)
  })

  test('39-identity-spelling-and-noreply: persons are compared, not spellings', async () => {
    const answers = await play(rondo, '39-identity-spelling-and-noreply')
    const [ada, grace, edsger] = answers.slice(-3)
    expect([ada?.body, grace?.body].map((body) => body.details[0].debug.code)).toEqual(['four_eyes', 'four_eyes'])
    expect(ada?.body.message).toMatch(/author/)
    expect(grace?.body.message).toMatch(/co.author/)
    expect(edsger?.body).toMatchObject({ release_id: 'REL-39' })
  })

  test('every case has a test', () => {
    const files = readdirSync(shared('cases')).filter((name) => name.endsWith('.json'))
    const here = new Set(files.map((name) => name.replace('.json', '')).filter((name) => !(name in elsewhere)))
    expect(here.size + Object.keys(elsewhere).length).toBe(files.length)
    expect(here.size).toBe(15)
    for (const file of Object.values(elsewhere)) expect(existsSync(join(repositoryRoot(), file)), file).toBe(true)
  })
})
