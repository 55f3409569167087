import { type Envelope, tell } from '@rondo/kernel'
import { eventually, needs } from '@rondo/testkit'
import pg from 'pg'
import { afterEach, describe, expect, test } from 'vitest'
import { engines, freshLedger, type Opening, open, unit } from '../test/fixture.ts'
import { order } from '../test/order-stream.ts'
import { NotParked, type OpenLedger, type ParkedRecord } from './index.ts'

const opened: OpenLedger[] = []
afterEach(async () => {
  for (const ledger of opened.splice(0)) await ledger.close()
})
const opening = async (fresh: Opening) => {
  const ledger = await fresh()
  opened.push(ledger)
  return ledger
}

const at = (position: number) => ({ source: 'builds', partition: 2, previous: position - 1, position, nextOffset: BigInt(position) })
const skipping = { actor: 'person:eve', why: 'not needed' }

/** The unit is to apply it. */
const retried = ({ event, source, partition, key, position }: ParkedRecord) => ({
  parked: { source, partition, key, position, eventId: event.id, actor: 'person:ada', why: 'mended' },
})

async function someEvent(ledger: OpenLedger): Promise<Envelope> {
  const { results } = await ledger.submit(unit([tell(order, 'o-1', 'count', 1)]))
  return results[0]!.events[0]!
}

/** The next record of the partition, parked alone. */
async function parked(ledger: OpenLedger, position: number): Promise<ParkedRecord> {
  await ledger.park({ key: 'k', event: await someEvent(ledger), reason: 'a defect' }, at(position))
  const [record] = await ledger.parkedRecords({ source: 'builds', partition: 2, key: 'k' })
  return record!
}

describe.each(engines)('parked records on $name', (engine) => {
  engine.needs()

  test('parked keys keep what follows, in order, until somebody decides', async () => {
    const ledger = await opening(await engine.fresh())
    const event = await someEvent(ledger)
    for (const position of [1, 2, 2]) await ledger.park({ key: 'k', event: { ...event, position }, reason: 'a defect' }, at(position))
    await expect(ledger.park({ key: 'k', event, reason: 'a gap' }, at(9))).rejects.toThrow(/records are missing/)
    expect(await ledger.checkpoint('builds', 2)).toEqual({ position: 2, nextOffset: 2n })
    const [key] = await ledger.parkedKeys()
    expect(key).toMatchObject({ source: 'builds', partition: 2, key: 'k', reason: 'a defect', waiting: 2 })
    const [first, second] = await ledger.parkedRecords(key!)
    expect([first!.event.position, second!.event.position]).toEqual([1, 2])
    const applied = await ledger.submit(unit([tell(order, 'o-1', 'count', 2)], retried(first!)))
    expect(applied).toMatchObject({ duplicate: false, results: [{ version: 2 }] })
    expect(await ledger.parkedRecords(key!)).toMatchObject([{ position: 2 }])
    expect(await ledger.isParked('builds', 2, 'k')).toBe(true)
    await ledger.skip(second!, skipping)
    expect(await ledger.isParked('builds', 2, 'k')).toBe(false)
    await expect(ledger.skip(second!, skipping)).rejects.toThrow(NotParked)
  })

  test('what is applied goes with its unit: a record that does not wait any more is not applied, and nothing beside it is lost', async () => {
    const ledger = await opening(await engine.fresh())
    const record = await parked(ledger, 1)
    await ledger.skip(record, skipping)
    const late = unit([tell(order, 'late', 'count', 1)], retried(record))
    const [refused, beside] = await Promise.allSettled([ledger.submit(late), ledger.submit(unit([tell(order, 'beside', 'count', 1)]))])
    expect(refused).toMatchObject({ reason: expect.any(NotParked) })
    expect(beside).toMatchObject({ status: 'fulfilled' })
    expect(await ledger.read.loadAll(order, ['late', 'beside'])).toMatchObject([{ id: 'beside' }])
    expect(await ledger.known(late.id)).toBeUndefined()
  })

  test('intake that is delivered again does not wait again: not behind itself, and not once it was applied', async () => {
    const ledger = await opening(await engine.fresh())
    const event = await someEvent(ledger)
    const delivered = (position: number, hash: string) => ledger.park({ key: 'k', event, reason: 'a defect', hash }, at(position))
    expect(await delivered(1, 'content')).toBe(true)
    expect(await delivered(2, 'content')).toBe(false)
    expect(await delivered(3, 'another')).toBe(true)
    const [key] = await ledger.parkedKeys()
    const [first] = await ledger.parkedRecords(key!)
    expect(key).toMatchObject({ waiting: 2 })
    await ledger.submit(unit([tell(order, 'o-2', 'count', 1)], { id: event.id, hash: 'content', ...retried(first!) }))
    expect(await delivered(4, 'content')).toBe(false)
    expect(await ledger.parkedRecords(key!)).toMatchObject([{ position: 3, hash: 'another' }])
    expect(await ledger.checkpoint('builds', 2)).toEqual({ position: 4, nextOffset: 4n })
  })

  test('facts of a stream that a larger plan has moved wait behind its key, and in any epoch it is known that it waits', async () => {
    const ledger = await opening(await engine.fresh())
    const event = await someEvent(ledger)
    const source = 'rondo.builds.v1#1'
    const behind = (partition: number, previous: number, position: number) =>
      ledger.park({ key: 'k', event, reason: 'a defect' }, { source, partition, previous, position, nextOffset: 1n })
    await behind(0, 0, 3)
    await behind(2, 0, 7)
    expect(await ledger.parkedKeys()).toMatchObject([{ source, partition: 0, key: 'k', waiting: 2 }])
    expect((await ledger.parkedRecords({ source, partition: 0, key: 'k' })).map(({ position }) => position)).toEqual([3, 7])
    expect(await ledger.checkpoint(source, 2)).toMatchObject({ position: 7 })
    const known = [
      [source, 2],
      [source, undefined],
      ['rondo.builds.v1#2', undefined],
      ['rondo.other.v1#1', undefined],
    ] as const
    expect(await Promise.all(known.map(([from, partition]) => ledger.isParked(from, partition, 'k')))).toEqual([false, true, true, false])
  })

  test('a record whose id is known already is taken away, and not applied again', async () => {
    const ledger = await opening(await engine.fresh())
    const record = await parked(ledger, 1)
    const known = unit([tell(order, 'o-2', 'count', 1)])
    await ledger.submit(known)
    expect(await ledger.submit({ ...known, ...retried(record) })).toMatchObject({ duplicate: true })
    expect(await ledger.parkedKeys()).toEqual([])
    expect(await ledger.read.load(order, 'o-2')).toEqual({ count: 1 })
  })

  test('of a retry and a skip of one record at once one is done, and the other is told so', async () => {
    const fresh = await engine.fresh()
    const [one, two] = await Promise.all([opening(fresh), opening(fresh)])
    for (let n = 1; n <= 120; n++) {
      const record = await parked(one, n)
      const answers = await Promise.allSettled([
        one.submit(unit([tell(order, `both-${n}`, 'count', 1)], retried(record))),
        two.skip(record, skipping),
      ])
      const [applied, skipped] = answers.map(({ status }) => status === 'fulfilled')
      expect([applied, skipped].sort(), JSON.stringify(answers)).toEqual([false, true])
      expect(answers.find(({ status }) => status === 'rejected')).toMatchObject({ reason: expect.any(NotParked) })
      expect(await one.read.loadAll(order, [`both-${n}`])).toHaveLength(applied ? 1 : 0)
      expect(await one.parkedKeys()).toEqual([])
    }
  })
})

describe('a retry on PostgreSQL', () => {
  needs('postgres18')

  test('waits for who decides over its key, instead of standing in the way with the record in hand', async () => {
    const { ownerUrl, url } = await freshLedger()
    const ledger = await opening((options) => open(url, { ...options, views: [] }))
    const record = await parked(ledger, 1)
    // As a skip does it; who finds the other one in the way looks at once, and is told
    const skip = new pg.Client({ connectionString: ownerUrl, options: '-c search_path=testing -c deadlock_timeout=1ms' })
    await skip.connect()
    await skip.query('begin')
    await skip.query('select from parked_key for update')
    const retry = ledger.submit(unit([tell(order, 'o-2', 'count', 1)], retried(record)))
    const refused = expect(retry).rejects.toBeInstanceOf(NotParked)
    const waits = "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    await eventually(async () => (await skip.query(waits)).rowCount === 1, { within: 10_000 })
    expect((await skip.query('delete from parked_record')).rowCount).toBe(1)
    await skip.query('commit')
    await skip.end()
    await refused
  })
})
