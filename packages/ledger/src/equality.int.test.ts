import { tell } from '@rondo/kernel'
import { needs } from '@rondo/testkit'
import { afterEach, describe, expect, test } from 'vitest'
import { freshLedger, open, unit } from '../test/fixture.ts'
import { order, sums } from '../test/order-stream.ts'
import type { OpenLedger, RebuildPlace, RebuiltPage } from './index.ts'

describe.each([15, 18] as const)('a rebuild beside the live ledger, on PostgreSQL %i', (major) => {
  needs(`postgres${major}`)
  let ledger: OpenLedger
  afterEach(() => ledger?.close())

  const opened = async () => {
    ledger = await open((await freshLedger(major)).url, { views: [{ ...sums, tables: ['sums'] }] })
  }
  const fill = (streams: number) =>
    Promise.all(
      Array.from({ length: streams }, (_, n) =>
        ledger.submit(unit([tell(order, `o-${n}`, 'placed', { item: 'tea', number: `n-${n}` }), tell(order, `o-${n}`, 'count', 1)])),
      ),
    )
  async function all(repair: boolean): Promise<readonly RebuiltPage[]> {
    const pages: RebuiltPage[] = []
    for (let from: RebuildPlace | undefined; ; ) {
      const page = await ledger.rebuildPage({ from, repair })
      pages.push(page)
      if (!page.next) return pages
      from = page.next
    }
  }
  const differing = (pages: readonly RebuiltPage[]) => pages.flatMap((page) => page.differing)

  test('finds all states and views equal, page by page, while others write', async () => {
    await opened()
    await fill(700)
    let writing = true
    const writer = (async () => {
      for (let n = 0; writing; n++) await ledger.submit(unit([tell(order, `o-${n % 700}`, 'count', 1)]))
    })()
    const pages = await all(false)
    writing = false
    await writer
    expect(differing(pages)).toEqual([])
    expect(pages.map(({ part, name, looked }) => [part, name, looked])).toEqual([
      ['stream', 'order', 500],
      ['stream', 'order', 200],
      ['view', 'sums', 700],
    ])
  })

  test('names what differs, and puts it right when told to', async () => {
    await opened()
    await fill(5)
    await ledger.sql(`update stream set state = state || '{"count": 9}' where id = 'o-1'`)
    await ledger.sql(`delete from stream_key where id = 'o-2'`)
    await ledger.sql(`insert into timer (stream, stream_id, tell, due) values ('order', 'o-3', 'count', '2020-01-01T00:00:00.000000Z')`)
    await ledger.sql(`update sums set total = 7 where id = 'o-4'`)
    const found = [
      { id: 'o-1', what: 'state' },
      { id: 'o-2', what: 'keys' },
      { id: 'o-3', what: 'timers' },
      { id: 'sums', what: '2 rows' },
    ]
    expect(differing(await all(false))).toEqual(found)
    const repaired = await all(true)
    expect(differing(repaired)).toEqual(found)
    expect(repaired.map((page) => page.repaired)).toEqual([3, 1])
    expect(differing(await all(false))).toEqual([])
    expect(await ledger.read.load(order, 'o-1')).toMatchObject({ count: 1 })
    expect(await ledger.sql(`select total from sums where id = 'o-4'`)).toEqual([{ total: 1 }])
  })
})
