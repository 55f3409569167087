import { needs } from '@rondo/testkit'
import { afterAll, expect, test } from 'vitest'
import { type Rondo, startRondo } from '../rig/rondo.ts'
import { command } from './command.ts'

const engine = needs('postgres18')
let rondo: Rondo
engine.beforeAll(async () => {
  rondo = await startRondo()
})
afterAll(() => rondo?.stop())

interface Shown {
  readonly phase: string
  readonly events: readonly { readonly type: string; readonly actor: string; readonly data: Readonly<Record<string, unknown>> }[]
}

test('plays one whole turn, and ends with one line of JSON', async () => {
  const { exit, out, err } = await command(rondo, ['demo', '--json'])
  expect({ exit, err }).toEqual({ exit: 0, err: '' })
  const said = JSON.parse(out.trimEnd().split('\n').at(-1) ?? '')
  expect(said).toEqual({ requirement: expect.stringMatching(/^REQ-/), phase: 'verified' })

  const turn = await command(rondo, ['loop', said.requirement, '--json'])
  const { phase, events }: Shown = JSON.parse(turn.out)
  expect(phase).toBe('verified')
  const by = (type: string) => events.filter((one) => one.type === `rondo.${type}`).map(({ actor }) => actor)
  expect(by('operations.signal.opened')).toEqual(['service:demo-alertmanager', 'service:demo-shop'])
  expect(by('requirements.requirement.refined')).toEqual(['person:barbara@example.org'])
  expect(by('releases.release.denied')).toEqual(['person:ada@example.org'])
  expect(by('releases.release.approved')).toEqual(['person:grace@example.org'])
  expect(by('releases.handover.accepted')).toEqual(['person:edsger@example.org'])
  expect(events.find(({ type }) => type === 'rondo.operations.proof.judged')?.data).toMatchObject({ verdict: 'verified' })
  expect(by('feedback.notice.delivered')).toHaveLength(1)
  // GitHub's webhook was played, not its substitute
  expect(by('builds.change.recorded')).toContain('service:github')
})

test('again beside the first, narrated, and without the secret: it says what it does instead', async () => {
  const { exit, out } = await command(rondo, ['demo'], { env: { RONDO_GITHUB_WEBHOOK_SECRET: '' } })
  expect(exit).toBe(0)
  expect(out).toMatch(/Ada Lovelace +commits [0-9a-f]{10} .*RONDO_GITHUB_WEBHOOK_SECRET is not set here/)
  expect(out).toMatch(/Rondo +refuses \(four_eyes\): person:ada@example.org contributed/)
  expect(out).toMatch(/What to try next:\n\n {2}rondo loop REQ-/)
})

test.each(['requirements', 'builds', 'releases', 'operations', 'feedback', 'gateway'])(
  'what %s stored of all this is what a rebuild from its events makes',
  async (service) => {
    const { exit, out, err } = await command(rondo, ['rebuild', service, '--check', '--json'])
    expect({ exit, err }).toEqual({ exit: 0, err: expect.not.stringContaining('differs') })
    expect(JSON.parse(out)).toMatchObject({ service, differing: [], looked: expect.any(Number) })
  },
)

test('a Rondo that does not know the tokens is said to be one', async () => {
  const { exit, err } = await command({ url: rondo.url, dataDir: `${rondo.dataDir}/elsewhere` }, ['demo'], {
    env: { RONDO_TOKEN: await rondo.token('admin', 'admin') },
  })
  expect(exit).toBe(4)
  expect(err).toContain('does not know the tokens in')
})
