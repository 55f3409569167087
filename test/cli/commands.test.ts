import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { eventually, freshDatabase, needs } from '@rondo/testkit'
import pg from 'pg'
import { afterAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { type Rondo, startRondo } from '../rig/rondo.ts'
import { command, type Options, start } from './command.ts'

const engine = needs('postgres18')
let rondo: Rondo
let database: string
engine.beforeAll(async () => {
  database = await freshDatabase()
  rondo = await startRondo({ database })
  await rondo.rpc('rondo.requirements.v1.Requirements/Raise', { requirement_id: 'REQ-1', title: 'Pay once', service: 'shop' })
})
afterAll(() => rondo?.stop())

const run = (args: string, options?: Options) => command(rondo, args.split(' '), options)
const json = (text: string): unknown => JSON.parse(text)

/** What scripts rely on: strict, so that a field more, less or of another type is seen here first. */
const event = {
  event_id: z.uuid(),
  service: z.string(),
  stream: z.string(),
  stream_id: z.string(),
  version: z.string(),
  position: z.string(),
  type: z.string(),
  schema_version: z.number(),
  occurred_at: z.string(),
  recorded_at: z.string(),
  actor: z.string(),
  correlation_id: z.string(),
  causation_id: z.string(),
  traceparent: z.string(),
  loop_ids: z.array(z.string()),
}
const contract = {
  loop: z.strictObject({
    requirement_id: z.string(),
    phase: z.string(),
    title: z.string(),
    events: z.array(z.strictObject({ ...event, data: z.record(z.string(), z.unknown()) })).min(1),
    unreachable: z.array(z.string()),
  }),
  tail: z.strictObject({ ...event, data_json: z.string() }),
  status: z.strictObject({
    url: z.url(),
    ready: z.boolean(),
    components: z
      .array(z.strictObject({ name: z.string(), ready: z.boolean(), cause: z.string().optional(), fix: z.string().optional() }))
      .min(1),
    unreachable: z.array(z.strictObject({ service: z.string(), reason: z.string() })),
    services: z
      .array(
        z.strictObject({
          service: z.string(),
          position: z.string(),
          epoch: z.string(),
          relay_delay_ms: z.string(),
          parked_keys: z.array(z.looseObject({ key: z.string(), reason: z.string() })),
          paused_partitions: z.array(z.looseObject({ topic: z.string(), reason: z.string() })),
          consumer_lag: z.string(),
          batch_size: z.number(),
          conflict_rate: z.number(),
        }),
      )
      .length(6),
  }),
  emit: z.strictObject({
    results: z
      .array(
        z.strictObject({
          event_id: z.uuid(),
          status: z.literal('accepted'),
          receipt: z.string(),
          code: z.string(),
          path: z.string(),
          message: z.string(),
        }),
      )
      .min(1),
  }),
  person: z.strictObject({ actor: z.string(), version: z.string() }),
  token: z.strictObject({ actor: z.string(), roles: z.array(z.string()), token: z.string() }),
  error: z.strictObject({
    error: z.string(),
    exit: z.number(),
    status: z.number().optional(),
    code: z.string().optional(),
    path: z.string().optional(),
  }),
}

describe('the JSON is a contract', () => {
  test.each([
    ['loop', 'loop REQ-1'],
    ['status', 'status'],
    ['emit', 'emit --example alert'],
    ['emit', 'emit --example errors'],
    ['emit', 'emit --example build'],
    ['emit', 'emit --example artifact'],
    ['emit', 'emit --example deployment'],
    ['person', 'person put ada@example.org --name Ada --email ada@example.com --github ada'],
    ['token', 'token create grace@example.org --role approver,auditor'],
  ] as const)('%s: rondo %s', async (name: keyof typeof contract, args: string) => {
    const { exit, out, err } = await run(`${args} --json`)
    expect({ exit, err }).toEqual({ exit: 0, err: '' })
    expect(contract[name].safeParse(json(out)).error?.issues ?? []).toEqual([])
  })

  test.each([
    ['what is not there', 'loop REQ-404', 5],
    ['what is not as expected', 'call Requirements/Refine {"requirement_id":1}', 1],
    ['what was not understood', 'emit --example alert --set status', 2],
    ['what cannot be awaited', 'wait proof REQ-1 --timeout 0', 8],
  ])('an error: %s', async (_, args, exit) => {
    const ended = await run(`${args} --json`)
    expect(ended.exit).toBe(exit)
    expect(ended.out).toBe('')
    expect(contract.error.loose().safeParse(json(ended.err)).error?.issues ?? []).toEqual([])
    expect(json(ended.err)).toMatchObject({ exit })
  })
})

describe('how commands end', () => {
  test('4 with a token that is not known, and with one that may not', async () => {
    expect(await run('loop REQ-1', { env: { RONDO_TOKEN: 'rondo_unknown' } })).toMatchObject({
      exit: 4,
      err: 'rondo: this token is not known (any more)\n',
    })
    expect(await run('person put x@example.org', { env: { RONDO_TOKEN: await rondo.token('ada', 'developer') } })).toMatchObject({
      exit: 4,
    })
  })
  test('1 where nothing listens, and it says how to start it', async () => {
    const { exit, err } = await command({ url: 'http://127.0.0.1:1', dataDir: rondo.dataDir }, ['status'])
    expect(exit).toBe(1)
    expect(err).toContain('no Rondo answers at http://127.0.0.1:1')
  })
  test('3 where policy refuses', async () => {
    const { exit, err } = await run('call Requirements/MakeReady {"requirement_id":"REQ-1"}')
    expect(exit).toBe(3)
    expect(err).toContain('missing: ')
  })
  test('3 where nothing shows an older copy, and nothing was given up', async () => {
    const { exit, err } = await run('restore builds')
    expect(exit).toBe(3)
    expect(err).toContain('"rondo restore builds --anyway"')
  })
  test('2 where an option is not understood, by the name it was given under', async () => {
    const { exit, err } = await run('replay builds --from now')
    expect(exit).toBe(2)
    expect(err).toContain('--from: "now" is no position: a number from 1')
  })
  test('9 when the time is up, with what was waited for', async () => {
    const { exit, err } = await run(`wait gate sha256:${'7'.repeat(64)} --timeout 600ms`)
    expect(exit).toBe(9)
    expect(err).toContain(`waited 1 s for the gate of sha256:${'7'.repeat(64)}`)
  })
  test('5 where no such key is parked', async () => {
    const { exit, err } = await run('parked retry releases release/REL-1 --why mended')
    expect(exit).toBe(5)
    expect(err).toBe('rondo: releases has no parked key "release/REL-1": nothing is parked there\n')
  })
  test('0 for a list of what is parked, 5 where nothing of a key ever was', async () => {
    expect(await run('parked list')).toMatchObject({ exit: 0, out: 'Nothing is parked.\n' })
    expect(await run('parked show releases release/REL-1')).toMatchObject({
      exit: 5,
      err: expect.stringContaining('no record of "release/REL-1" was ever parked in releases'),
    })
  })
  test('0 for what stdin asks', async () =>
    expect(json((await run('call Requirements/GetRequirement - --json', { input: '{"requirement_id":"REQ-1"}' })).out)).toMatchObject({
      summary: { title: 'Pay once' },
    }))
})

test('a gate that refuses names every criterion that is not met', async () => {
  const digest = `sha256:${'8'.repeat(64)}`
  await rondo.rpc('rondo.operations.v1.Operations/PutService', {
    service: 'cart',
    owner: 'team',
    artifacts: ['pkg:oci/cart'],
    repositories: [],
    alert_labels: {},
  })
  await command(rondo, [
    'call',
    'Builds/PutPolicy',
    JSON.stringify({
      service: 'cart',
      policy: "criteria:\n  - {id: failed-tests, pass: '==0', key: true}\n  - {id: test-count, pass: '>=5'}\n",
    }),
  ])
  await run(`emit --example artifact --set artifact.digest=${digest} --set artifact.name=pkg:oci/cart`)
  const xml = '<testsuite name="s"><testcase name="a"><failure/></testcase></testsuite>'
  await rondo.send('POST', `/v1/evidence/junit?artifact=${digest}`, {
    body: xml,
    headers: { 'content-type': 'application/xml', authorization: `Bearer ${await rondo.token('ci', 'reporter')}` },
  })
  const { exit, err } = await eventually(
    async () => {
      const ended = await run(`wait gate ${digest} --timeout 0 --fail-fast`)
      return ended.exit === 3 && ended
    },
    { within: 15_000 },
  )
  expect(exit).toBe(3)
  expect(err).toMatch(/the verdict is fail\n {2}- failed-tests: fail, 1 \(==0\).*\n {2}- test-count: fail, 1 \(>=5\)/)
})

test('rebuild names what does not follow from the events, and puts it right', async () => {
  const client = new pg.Client(database)
  await client.connect()
  await client.query(`update requirements.stream set state = state || '{"title": "Pay never"}' where id = 'REQ-1'`)
  await client.end()
  const checked = await run('rebuild requirements --check')
  expect(checked).toMatchObject({ exit: 1, err: expect.stringContaining('stream requirement REQ-1 differs: state') })
  const { exit, out } = await run('rebuild requirements --json')
  expect(exit).toBe(0)
  expect(json(out)).toMatchObject({
    service: 'requirements',
    repaired: 1,
    differing: [{ part: 'stream requirement', id: 'REQ-1', what: 'state' }],
  })
  expect(await run('rebuild requirements --check')).toMatchObject({ exit: 0, out: expect.stringContaining('all equal to what is stored') })
  expect((await run('rebuild requirements --resume nonsense')).err).toContain('page_token: expected the next_page_token')
})

describe('tail', () => {
  test('goes on where the cursor file was left, and Ctrl-C ends it with 130', async () => {
    const cursor = join(rondo.dataDir, 'cursor')
    const read = async (wanted: RegExp) => {
      const child = start(rondo, ['tail', '--service', 'requirements', '--since', '1h', '--cursor', cursor, '--json'])
      let out = ''
      child.stdout.on('data', (chunk) => (out += chunk))
      await eventually(() => wanted.test(out) && existsSync(cursor), { within: 15_000 })
      child.kill('SIGINT')
      const [exit] = await once(child, 'exit')
      expect(exit).toBe(130)
      return out.trimEnd().split('\n').map(json)
    }
    const [first] = await read(/REQ-1/)
    expect(contract.tail.safeParse(first).error?.issues ?? []).toEqual([])
    expect(readFileSync(cursor, 'utf8')).toMatch(/^\S+\n$/)
    await rondo.rpc('rondo.requirements.v1.Requirements/Raise', { requirement_id: 'REQ-2', title: 'Pay twice', service: 'shop' })
    const again = await read(/REQ-2/)
    expect(again).not.toContainEqual(expect.objectContaining({ stream_id: 'REQ-1' }))
  })
})

test.each(['bash', 'zsh', 'fish'])('completion for %s', async (shell) => {
  const { exit, out } = await run(`completion ${shell}`)
  expect(exit).toBe(0)
  expect(out).toContain('rondo')
  expect(out).toContain('complete')
})

test('what may stand next', async () => {
  expect((await run('complete -- wait ga')).out).toMatch(/^gate\t/m)
  expect((await run('complete -- im')).out).toMatch(/^import\t/m)
  expect((await run('complete -- wait gate x --fail')).out).toMatch(/^--fail-fast\t/m)
})
