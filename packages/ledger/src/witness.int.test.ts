import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { tell } from '@rondo/kernel'
import { eventually, needs, temporaryFolder } from '@rondo/testkit'
import pg from 'pg'
import { describe, expect, test } from 'vitest'
import { unit } from '../test/fixture.ts'
import { order } from '../test/order-stream.ts'
import { encode, fill, partitions, records, relay, setUp, soon, tailsReach, topic, undo } from '../test/relay-stage.ts'
import { raiseEpoch } from './index.ts'

needs('postgres18')

describe('a relay of an older copy', () => {
  test('stops where the bus knows more than the ledger, until the epoch is raised', async () => {
    const { bus, one, two } = await setUp()
    await bus.send(topic, [{ key: 'k', value: null, headers: { ce_position: '7', ce_epoch: '1' }, partition: 1 }])
    const restored = relay(one, bus)
    await eventually(() => restored.state.state === 'restored_backup', soon)
    // Who does not send shall know it too, before it records anything
    const waiting = relay(two, bus)
    await eventually(() => waiting.state.state === 'restored_backup', soon)
    expect((await records(bus)).flat()).toHaveLength(1)
    expect(await raiseEpoch({ database: one.database, bus, topic })).toBe(2)
    await eventually(() => restored.state.state === 'running', soon)
    await fill(one, 1)
    await eventually(async () => (await records(bus)).flat().some(({ headers }) => headers.ce_epoch === '2'), soon)
  })

  test('sends what an older copy shares with the bus neither again nor as news; the epoch it begins is above all that are known', async () => {
    const { bus, one } = await setUp()
    const first = relay(one, bus)
    await fill(one, 5)
    await tailsReach(bus, one, 5)
    await first.stop()
    // The copy was made before it was noted that these were sent; its bus has seen what it gave up, and an epoch of another restore
    await one.sql('update relay set position = 0')
    await bus.send(topic, [{ key: 'k', value: null, headers: { ce_position: '9', ce_epoch: '3' }, partition: 1 }])
    const restored = relay(one, bus)
    await eventually(() => restored.state.state === 'restored_backup', soon)
    expect(await raiseEpoch({ database: one.database, bus, topic })).toBe(4)
    await eventually(() => restored.state.state === 'running', soon)
    await fill(one, 3)
    await eventually(() => restored.state.state === 'running' && restored.state.position === 8, soon)
    const sent = (await records(bus)).flat().map(({ headers }) => `${headers.ce_epoch}/${headers.ce_position}`)
    expect(sent.sort()).toEqual(['1/1', '1/2', '1/3', '1/4', '1/5', '3/9', '4/6', '4/7', '4/8'])
  })

  test('that runs sends nothing under an old epoch, and stands by once its lease is lost', async () => {
    const { bus, one } = await setUp()
    const running = relay(one, bus)
    await fill(one, 1)
    await tailsReach(bus, one, 1)
    expect(await raiseEpoch({ database: one.database, bus, topic })).toBe(2)
    await fill(one, 3)
    await tailsReach(bus, one, 4)
    const epochs = (await records(bus)).flat().map(({ headers }) => [Number(headers.ce_position), headers.ce_epoch])
    expect(Object.fromEntries(epochs)).toEqual({ 1: '1', 2: '2', 3: '2', 4: '2' })
    await one.sql("update relay set holder = 'another', held_until = clock_timestamp() + interval '1 minute'")
    await fill(one, 1)
    await eventually(() => running.state.state === 'standby', soon)
  })

  /** As an older copy has it, all in one moment: of what came behind the position nothing is known. */
  async function goBack(
    ownerUrl: string,
    position: number,
    { filled = 'as it was', meanwhile }: { filled?: 'anew' | 'as it was'; meanwhile?: (client: pg.Client) => Promise<void> } = {},
  ) {
    const client = new pg.Client({ connectionString: ownerUrl, options: '-c search_path=testing' })
    await client.connect()
    await client.query('begin')
    if (filled === 'anew') {
      await client.query('create temporary table copy as select * from head')
      await client.query('truncate head')
      await client.query('insert into head select * from copy')
    }
    await client.query('delete from event where position > $1', [position])
    await client.query('update relay set position = least(position, $1)', [position])
    await client.query(
      `update head set position = $1, tails = (select array_agg(coalesce((select max(position) from event where partition = n), 0) order by n)
         from generate_series(0, $2 - 1) n)`,
      [position, partitions],
    )
    await meanwhile?.(client)
    await client.query('commit')
    await client.end()
  }

  test('that runs sends nothing of an older copy that has taken the place of its ledger, however far that has grown', async () => {
    const { bus, one, ownerUrl } = await setUp()
    const running = relay(one, bus)
    await fill(one, 5)
    await tailsReach(bus, one, 5)
    await goBack(ownerUrl, 2)
    await fill(one, 30)
    await eventually(() => running.state.state === 'restored_backup', soon)
    expect((await records(bus)).flat()).toHaveLength(5)
    await raiseEpoch({ database: one.database, bus, topic })
    await tailsReach(bus, one, 32)
    expect((await records(bus)).flat().filter(({ headers }) => headers.ce_epoch === '2')).toHaveLength(30)
  })

  /** One event was sent by a relay that has not marked it yet. */
  async function sentAndNotMarked() {
    const { bus, one, two, ownerUrl } = await setUp()
    const { store } = one.database
    const held = Promise.withResolvers<void>()
    const marking: number[] = []
    const holding: typeof store = {
      ...store,
      async markSent(...of) {
        marking.push(of[2].to.position)
        await held.promise
        return store.markSent(...of)
      },
    }
    const running = relay(one, bus, { database: { ...one.database, store: holding } })
    await eventually(() => running.state.state === 'running', soon)
    await one.submit(unit([tell(order, 'o-1', 'count', 1)]))
    await eventually(() => marking.length === 1, soon)
    return { bus, one, two, ownerUrl, running, goOn: held.resolve }
  }

  test('that runs sends nothing of an older copy that came before it was marked what had been sent', async () => {
    const { bus, one, two, ownerUrl, running, goOn } = await sentAndNotMarked()
    await goBack(ownerUrl, 0)
    // Another event stands where this process sent one, and its next ones follow on that
    await fill(two, 1)
    await fill(one, 30)
    goOn()
    await eventually(() => running.state.state === 'restored_backup', soon)
    expect((await records(bus)).flat()).toHaveLength(1)
  })

  test('that runs sends nothing of an older copy that came while it was marked what had been sent', async () => {
    const { bus, one, two, ownerUrl, running, goOn } = await sentAndNotMarked()
    await goBack(ownerUrl, 0, {
      async meanwhile(client) {
        goOn()
        const waiting = "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        await eventually(async () => (await client.query(waiting)).rows.length > 0, soon)
      },
    })
    await fill(two, 1)
    await fill(one, 30)
    await eventually(() => running.state.state === 'restored_backup', soon)
    expect((await records(bus)).flat()).toHaveLength(1)
  })

  test('notices an older copy although a request that was done late lies behind the newest', async () => {
    const { bus, one, ownerUrl } = await setUp()
    const first = relay(one, bus)
    await fill(one, 40)
    await tailsReach(bus, one, 40)
    await first.stop()
    const events = await one.events(0, 40)
    const late = [0, 1, 2].flatMap((partition) => events.find((event) => event.partition === partition) ?? [])
    expect(late).toHaveLength(3)
    await bus.send(
      topic,
      late.map((event) => ({ ...encode(event, { previous: 0, epoch: 1 }), partition: event.partition })),
    )
    await goBack(ownerUrl, Math.max(...late.map(({ position }) => position)))
    const second = relay(one, bus)
    await eventually(() => second.state.state === 'restored_backup', soon)
    expect(second.state).toMatchObject({ reason: expect.stringMatching(/knows position \d+ \(epoch 1\), the ledger only/) })
  })

  test('that runs sends nothing of an older copy that others have filled up to where it stands', async () => {
    const { bus, one, two, ownerUrl } = await setUp()
    const running = relay(one, bus)
    await fill(one, 5)
    await tailsReach(bus, one, 5)
    await eventually(async () => (await one.sql<{ position: string }>('select position from relay'))[0]?.position === '5', soon)
    await goBack(ownerUrl, 2)
    await fill(two, 3)
    await fill(one, 1)
    await eventually(() => running.state.state === 'restored_backup', soon)
    expect((await records(bus)).flat()).toHaveLength(5)
  })

  test('tells an older copy that has grown past what was sent by what lies there', async () => {
    const { bus, one, two, ownerUrl } = await setUp()
    const first = relay(one, bus)
    await fill(one, 5)
    await tailsReach(bus, one, 5)
    const waiting = relay(two, bus)
    await eventually(() => waiting.state.state === 'standby', soon)
    await first.stop()
    await waiting.stop()
    await goBack(ownerUrl, 2)
    await fill(one, 30)
    const second = relay(one, bus)
    await eventually(() => second.state.state === 'restored_backup', soon)
    expect(second.state).toMatchObject({ reason: expect.stringMatching(/knows position \d+ \(epoch 1\) as .*: an older backup/) })
  })

  test('that stands by sends nothing of an older copy either, before anybody has noticed it', async () => {
    const { bus, one, two, ownerUrl } = await setUp()
    const running = relay(one, bus)
    await eventually(() => running.state.state === 'running', soon)
    const beside = relay(two, bus)
    await eventually(() => beside.state.state === 'standby', soon)
    await fill(one, 5)
    await tailsReach(bus, one, 5)
    await eventually(async () => (await one.sql<{ position: string }>('select position from relay'))[0]?.position === '5', soon)
    await goBack(ownerUrl, 2, { filled: 'anew' })
    await fill(two, 1)
    await eventually(() => beside.state.state === 'restored_backup', soon)
    expect((await records(bus)).flat()).toHaveLength(5)
  })

  test('that stands by notices an older copy, too', async () => {
    const { bus, one, two, ownerUrl } = await setUp()
    relay(one, bus)
    await fill(one, 5)
    await tailsReach(bus, one, 5)
    const waiting = relay(two, bus)
    await eventually(() => waiting.state.state === 'standby', soon)
    await goBack(ownerUrl, 2)
    await eventually(() => waiting.state.state === 'restored_backup', soon)
  })

  test('keeps a mark outside of the data folder, and believes it', async () => {
    const { bus, one } = await setUp()
    const folder = temporaryFolder('mark')
    undo.push(() => rm(folder, { recursive: true }))
    const highWaterFile = join(folder, 'high-water.json')
    const first = relay(one, bus, { highWaterFile })
    await fill(one, 5)
    await eventually(async () => JSON.parse(await readFile(highWaterFile, 'utf8')).position === 5, soon)
    await first.stop()
    await writeFile(highWaterFile, JSON.stringify({ epoch: 1, position: 9 }))
    const second = relay(one, bus, { highWaterFile })
    await eventually(() => second.state.state === 'restored_backup', soon)
    expect(second.state).toMatchObject({ reason: expect.stringContaining('knows position 9 (epoch 1), the ledger only 5') })
  })
})
