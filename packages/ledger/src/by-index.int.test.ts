import { ask, tell } from '@rondo/kernel'
import { needs } from '@rondo/testkit'
import pg from 'pg'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { freshLedger, open, unit } from '../test/fixture.ts'
import { order } from '../test/order-stream.ts'
import type { OpenLedger } from './index.ts'

/*
 * What a batch costs must not grow with what is stored. PostgreSQL plans while tables are small, and keeps what it has planned; so it is
 * asked for the plans of a ledger that holds little, where reading all of a table looks cheap.
 */

interface Plan {
  readonly 'Node Type': string
  readonly 'Relation Name'?: string | undefined
  readonly 'Index Name'?: string | undefined
  readonly 'Index Cond'?: string | undefined
  readonly Filter?: string | undefined
  readonly Plans?: readonly Plan[] | undefined
}
const plan: z.ZodType<Plan> = z.object({
  'Node Type': z.string(),
  'Relation Name': z.string().optional(),
  'Index Name': z.string().optional(),
  'Index Cond': z.string().optional(),
  Filter: z.string().optional(),
  get Plans() {
    return z.array(plan).optional()
  },
})
const explained = z.object({ 'Query Text': z.string(), Plan: plan })

/** One row, or one for each topic, partition of a topic, plan or epoch: read as a whole. */
const small = /^(head|relay|plan|checkpoint|archive_file|pg_.*)$/

/** What rows are known by: where that is only a filter, the index has led to more than is looked for. */
const naming = /\b(key|stream|stream_id|id|name|value|tell|due|loop_id)\b/

/** Where it reads rows that no index has led it to, or more of them than it looks for. */
const unled = (node: Plan): readonly string[] => {
  const {
    'Node Type': type,
    'Relation Name': table = '',
    'Index Name': index,
    'Index Cond': led,
    Filter: left = '',
    Plans: parts = [],
  } = node
  const scans = type.endsWith('Scan') && type !== 'Bitmap Heap Scan' && (index !== undefined || table !== '')
  const here = scans && (led === undefined || naming.test(left)) && !small.test(table) ? [`${type} on ${table || index}`] : []
  return [...here, ...parts.flatMap(unled)]
}

const cause = { at: '2026-01-01T00:00:00.000001Z', actor: 'person:ada', correlationId: 'c', causationId: 'c' }
const place = (id: string, item: string, number: string) => unit([ask(order, id, 'place', { item, number })])

/** All that an append can be given: streams, keys, timers and loops that come and go, ids that come again, checkpoints, what was guessed. */
async function lived(one: OpenLedger, two: OpenLedger): Promise<void> {
  const reaction = 'rondo.testing.heard'
  for (let n = 0; n < 6; n++) {
    await one.submit(place(`o-${n}`, 'tea', `N-${n}`))
    await one.submit(
      unit([tell(order, `later-${n}`, 'placed', { item: 'later' }), tell(order, `r-${n}`, 'placed', { item: `REQ-${n}` })], { cause }),
    )
    const { again } = one.guessing(reaction)
    await Promise.all([again.find(order, 'item', [`unseen-${n}`]), again.load(order, `unseen-${n}`)])
  }
  await Promise.all(Array.from({ length: 40 }, (_, n) => one.submit(place(`many-${n}`, 'jam', `M-${n}`))))
  await Promise.all(Array.from({ length: 40 }, (_, n) => one.submit(unit([tell(order, `many-${n}`, 'count', 1)]))))
  // Taken for new, as those before were, and written by another process: what stands in the way is looked up
  const both = Array.from({ length: 10 }, (_, n) => place(`both-${n}`, 'rice', `B-${n}`))
  await Promise.all(both.map((theirs) => two.submit({ ...theirs, id: `${theirs.id} of two` })))
  await Promise.allSettled(both.map((own) => one.submit(own)))
  await one.submit(unit([ask(order, 'o-1', 'close', { reason: 'done' })]))
  const known = { id: 'again', hash: 'again', remember: true, messages: [tell(order, 'o-2', 'count', 1)], cause }
  const at = (previous: number, position: number) => ({ source: 's', partition: 0, previous, position, nextOffset: BigInt(position) })
  const noted = [{ id: 'noted', hash: 'noted' }]
  await one.submit(known)
  for (const position of [1, 2]) await one.submit(unit([], { remember: false, checkpoint: at(position - 1, position), noted }))
  await one.submit({ ...known, checkpoint: at(2, 3) })
  // A named statement is planned once for all from its sixth use on
  const { store } = one.database
  await store.holdLease('t', 'h', 10)
  for (let n = 0; n < 7; n++) {
    await one.knownOf(['again', 'noted', `never-${n}`])
    for (const to of await one.events(0, 1)) await store.markSent('t', 'h', { from: 0, to }, 10)
  }
  await one.fireDue()
  for (let n = 0; n < 3; n++) {
    const guessing = one.guessing(reaction)
    await Promise.all([
      guessing.read.find(order, 'item', [`nobody-${n}`]),
      guessing.read.load(order, 'o-2'),
      guessing.read.load(order, `nobody-${n}`),
    ])
    const { again } = guessing
    const rests = guessing.rests()
    expect(rests).toBeDefined()
    // What was seen is not how the ledger stands now
    await two.submit(place(`theirs-${n}`, 'salt', `T-${n}`))
    const told = async () => [tell(order, `log-${n}`, 'placed', { item: String(await again.load(order, 'o-2')) })]
    await one.submit(unit(await told(), { cause, rests, again: told }))
  }
}

type Explained = z.output<typeof explained>

/** A database of which each statement's plan is told. `vacuumed`: what was never vacuumed is taken for ten pages, and reading those does not look cheap. */
async function explaining(
  major: 15 | 18,
  { vacuumed = false } = {},
): Promise<{ readonly url: string; readonly plans: readonly Explained[] }> {
  const { ownerUrl, url } = await freshLedger(major)
  const owner = new pg.Client(ownerUrl)
  await owner.connect()
  await owner.query("load 'auto_explain'")
  const name = owner.escapeIdentifier(owner.database ?? '')
  const settings = { log_min_duration: '0', log_nested_statements: 'on', log_format: 'json', log_level: 'notice' }
  await owner.query(`alter database ${name} set session_preload_libraries = 'auto_explain'`)
  for (const [setting, value] of Object.entries(settings))
    await owner.query(`alter database ${name} set auto_explain.${setting} = ${value}`)
  if (vacuumed) await owner.query('vacuum analyze')
  await owner.end()
  const plans: Explained[] = []
  const { connect } = pg.Client.prototype
  vi.spyOn(pg.Client.prototype, 'connect').mockImplementation(function (this: pg.Client, ...given: readonly unknown[]) {
    this.on('notice', ({ message = '' }) => {
      const [, json] = message.split('plan:\n')
      if (json !== undefined) plans.push(explained.parse(JSON.parse(json)))
    })
    return Reflect.apply(connect, this, given)
  })
  return { url, plans }
}

/** No named statement and no function's: planned at each call, for what there is by then. */
const anew = /^select (id, version )?from stream where stream = \$1 and|^select stream, stream_id, tell, due from timer/

const unledIn = (plans: readonly Explained[]): readonly string[] => [
  ...new Set(
    plans
      .filter(({ 'Query Text': text }) => !anew.test(text.trim()))
      .flatMap(({ 'Query Text': text, Plan: root }) => unled(root).map((what) => `${what}: ${text.trim().slice(0, 120)}`)),
  ),
]

describe.each([15, 18] as const)('on PostgreSQL %s', (major) => {
  needs(`postgres${major}`)
  const opened: OpenLedger[] = []
  const opens = async (url: string) => {
    const ledger = await open(url, { views: [] })
    opened.push(ledger)
    return ledger
  }
  afterEach(async () => {
    vi.restoreAllMocks()
    for (const ledger of opened.splice(0)) await ledger.close()
  })

  test.each([
    ['as it was never vacuumed', { vacuumed: false }],
    ['as it was vacuumed while there was nothing', { vacuumed: true }],
  ])('nothing that is loaded, looked up, compared or written is led to by less than its index: %s', async (_, how) => {
    const { url, plans } = await explaining(major, how)
    await lived(await opens(url), await opens(url))
    const texts = plans.map(({ 'Query Text': text }) => text)
    for (const part of [
      "'guess'->'seen'",
      "'guess'->'read'",
      "'guess'->'held'",
      "derived->'keys'",
      "'keys_gone'",
      "'timers_gone'",
      "'counted'",
      'duplicates, m.conflicts from message m',
      'for key share',
      'unnest(s_stream, s_id, s_base)',
    ])
      expect(
        texts.some((text) => text.includes(part)),
        `${part} is among them`,
      ).toBe(true)
    expect(unledIn(plans)).toEqual([])
  })

  test('a stream that moves alone is found by its key, also where its plan was made while there was nearly none', async () => {
    const { url, plans } = await explaining(major, { vacuumed: true })
    const ledger = await opens(url)
    await ledger.submit(place('o', 'tea', 'N'))
    for (let n = 0; n < 3; n++) await ledger.submit(unit([tell(order, 'o', 'count', 1)]))
    const moves = plans.filter(({ 'Query Text': text }) => text.includes('s_version, s_base'))
    expect(moves.length).toBeGreaterThan(0)
    expect(unledIn(moves)).toEqual([])
  })
})
