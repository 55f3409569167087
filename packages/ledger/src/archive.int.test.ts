import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ask, tell, toInstant } from '@rondo/kernel'
import { eventually, needs, temporaryFolder } from '@rondo/testkit'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { freshLedger, migrations, open, role, service, unit } from '../test/fixture.ts'
import { order, orderOfFold2, sums } from '../test/order-stream.ts'
import type { ArchiveStep, UnarchiveStep } from './archive/port.ts'
import { type ArchivedPage, type LedgerOptions, migrate, type OpenLedger } from './index.ts'

needs('postgres18')

let folder: string
let url: string
let ownerUrl: string
let ledger: OpenLedger
const opened: OpenLedger[] = []
const opening = async (options: Partial<LedgerOptions> = {}) => {
  const one = await open(url, { archiveFolder: folder, ...options })
  opened.push(one)
  return one
}
beforeEach(async () => {
  folder = temporaryFolder('archive')
  ;({ url, ownerUrl } = await freshLedger())
  ledger = await opening()
})
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close()
})

const later = () => toInstant(new Date(Date.now() + 60_000))
const everything = () => ledger.sql('select e::text from event e order by position')
/** As if all had been sent. */
const sent = () =>
  ledger.sql(
    "insert into relay (topic, position) select 'topic', position from head on conflict (topic) do update set position = excluded.position",
  )
const places = (id: string, item = 'REQ-1') =>
  ledger.submit(unit([tell(order, id, 'placed', { item, number: `N-${id}` }), tell(order, id, 'count', 5)]))
const closes = (id: string) => ledger.submit(unit([ask(order, id, 'close', { reason: 'done' })]))

async function archived(options: Partial<Parameters<OpenLedger['archivePage']>[0]> = {}): Promise<ArchivedPage> {
  return ledger.archivePage({ before: later(), from: undefined, dryRun: false, actor: 'person:ada', ...options })
}

/** Four streams: two closed, one open, one closed with a timer that waits. */
async function filled() {
  for (const id of ['o-1', 'o-2', 'o-3']) await places(id)
  await places('o-4', 'fragile')
  for (const id of ['o-1', 'o-2', 'o-4']) await closes(id)
  await sent()
}

describe('an archive', () => {
  test('takes events of closed streams, and brings them back as they were', async () => {
    await filled()
    const before = await everything()
    const page = await archived()
    expect(page).toMatchObject({ streams: 2, events: 6, kept: 1, dropped: 0, manifest: { service: 'testing', format: 1, events: 6 } })
    expect(await ledger.sql('select distinct stream_id from event order by 1')).toEqual([{ stream_id: 'o-3' }, { stream_id: 'o-4' }])
    const file = page.manifest?.file ?? ''
    expect((await readdir(folder)).sort()).toEqual([file.replace('.ndjson.gz', '.manifest.json'), file].sort())
    expect(JSON.parse(await readFile(join(folder, file.replace('.ndjson.gz', '.manifest.json')), 'utf8'))).toEqual(page.manifest)
    expect(await archived()).toMatchObject({ streams: 0, events: 0 })
    expect(await ledger.unarchive({ file, actor: 'person:ada' })).toEqual({ streams: 2, events: 6 })
    expect(await everything()).toEqual(before)
    await expect(ledger.unarchive({ file, actor: 'person:ada' })).rejects.toMatchObject({ code: 'wrong_phase' })
    expect(await archived()).toMatchObject({ streams: 2, events: 6, manifest: { number: 2 } })
  })

  test('leaves what was not sent, is recent, parked, or of another fold', async () => {
    await filled()
    await ledger.sql('update relay set position = 2')
    expect(await archived()).toMatchObject({ streams: 0, kept: 3 })
    await sent()
    expect(await archived({ before: '2026-01-01T00:00:00.000000Z' })).toMatchObject({ streams: 0, kept: 3 })
    await ledger.sql(`insert into parked_key values ('rondo.testing.v1#1', 0, 'order/o-1', 'it broke', 'now')`)
    await ledger.sql(`update stream set fold = 0 where id = 'o-2'`)
    expect(await archived()).toMatchObject({ streams: 0, kept: 3 })
  })

  test('a dry run counts and changes nothing', async () => {
    await filled()
    const before = await everything()
    const page = await archived({ dryRun: true })
    expect(page).toMatchObject({ streams: 2, events: 6 })
    expect(page.manifest).toBeUndefined()
    expect(await readdir(folder)).toEqual([])
    expect(await everything()).toEqual(before)
  })

  test('changes no answer: reads, history, states folded again, views, what another service is sent once more', async () => {
    await filled()
    const looks = async () => ({
      events: await ledger.events(0, 100),
      few: await ledger.events(1, 4),
      typed: await ledger.events(0, 100, { types: ['rondo.testing.order.closed'] }),
      chained: await ledger.chained(0, 100),
      history: await ledger.history('REQ-1', 100),
      state: await ledger.read.load(order, 'o-1'),
    })
    const before = await looks()
    await archived()
    expect(await looks()).toEqual(before)
    for (let from: Awaited<ReturnType<OpenLedger['rebuildPage']>>['next']; ; ) {
      const page = await ledger.rebuildPage({ from, repair: false })
      expect(page).toMatchObject({ differing: [] })
      from = page.next
      if (!from) break
    }
  })

  test('a raised fold and a view of a new version are made of what is archived, too', async () => {
    await filled()
    await archived()
    const two = await opening({ streams: [orderOfFold2], views: [{ ...sums, tables: ['sums'], version: 2 }] })
    expect(await two.sql('select id, total from sums order by id')).toEqual(['o-1', 'o-2', 'o-3', 'o-4'].map((id) => ({ id, total: 5 })))
    expect(await two.read.load(orderOfFold2, 'o-1')).toMatchObject({ count: 10, closed: true })
  })

  test('keys and ids stay held; what comes all the same is recorded, archived later, and comes back in turn', async () => {
    await filled()
    await archived()
    expect(await ledger.read.find(order, 'item', ['REQ-1'])).toHaveLength(3)
    expect((await ledger.submit(unit([tell(order, 'o-1', 'placed', { item: 'other' })]))).results[0]?.events).toEqual([])
    expect((await ledger.submit(unit([tell(order, 'o-1', 'count', 7)]))).results[0]).toMatchObject({ version: 4 })
    await sent()
    const before = await ledger.events(0, 100)
    const second = await archived()
    expect(second).toMatchObject({ streams: 1, events: 1 })
    expect(await ledger.events(0, 100)).toEqual(before)
    const [first] = (await ledger.checkArchive(0)).map(({ name }) => name)
    await expect(ledger.unarchive({ file: first ?? '', actor: 'person:ada' })).rejects.toMatchObject({
      code: 'wrong_phase',
      details: { missing: [second.manifest?.file] },
    })
    await ledger.unarchive({ file: second.manifest?.file ?? '', actor: 'person:ada' })
    await ledger.unarchive({ file: first ?? '', actor: 'person:ada' })
    expect(await ledger.events(0, 100)).toEqual(before)
  })

  test('a file that is away is named, and found again', async () => {
    await filled()
    const { manifest } = await archived()
    const file = manifest?.file ?? ''
    await rename(join(folder, file), join(folder, 'away'))
    const wanted = { code: 'not_configured', message: expect.stringContaining(`events are archived in ${file}`) }
    await expect(ledger.history('REQ-1', 100)).rejects.toMatchObject(wanted)
    await expect(ledger.rebuildPage({ from: undefined, repair: false })).rejects.toMatchObject(wanted)
    expect(await ledger.read.load(order, 'o-1')).toMatchObject({ closed: true })
    expect(await ledger.checkArchive(0)).toMatchObject([{ name: file, problem: expect.stringContaining('is not in') }])
    await rename(join(folder, 'away'), join(folder, file))
    expect(await ledger.history('REQ-1', 100)).toHaveLength(8)
  })

  test('a file that is not as it was written is not brought back', async () => {
    await filled()
    const { manifest } = await archived()
    const path = join(folder, manifest?.file ?? '')
    await copyFile(path, `${path}.good`)
    const bytes = await readFile(path)
    bytes.writeUInt8(bytes.readUInt8(20) ^ 1, 20)
    await writeFile(path, bytes)
    expect(await ledger.checkArchive(0)).toMatchObject([{ problem: expect.stringMatching(/sha256|incorrect|invalid/) }])
    await expect(ledger.unarchive({ file: manifest?.file ?? '', actor: 'person:ada' })).rejects.toThrow()
    expect(await ledger.sql(`select from event where stream_id = 'o-1'`)).toEqual([])
    await rename(`${path}.good`, path)
    expect(await ledger.checkArchive(0)).toEqual([{ name: manifest?.file, number: 1, events: 6, bytes: manifest?.bytes }])
    await ledger.unarchive({ file: manifest?.file ?? '', actor: 'person:ada' })
  })

  test('partitions of positions of which nothing is left are dropped, and what was in them can come back', async () => {
    await ledger.sql('update head set position = 9999993')
    await filled()
    await closes('o-3')
    await ledger.sql('delete from timer')
    await sent()
    const before = await everything()
    const page = await archived()
    expect(page).toMatchObject({ streams: 4, dropped: 1 })
    const parts = async () =>
      (await ledger.sql<{ name: string }>(`select inhrelid::regclass::text as name from pg_inherits where inhparent = 'event'::regclass`))
        .map(({ name }) => name)
        .sort()
    expect(await parts()).toEqual(['event_1', 'event_rest'])
    await places('o-5')
    await ledger.unarchive({ file: page.manifest?.file ?? '', actor: 'person:ada' })
    expect((await everything()).slice(0, before.length)).toEqual(before)
    await migrate(ownerUrl, { service, role, migrations })
    await places('o-6')
    expect(await everything()).toHaveLength(before.length + 4)
  })

  test('goes on behind what it has looked at, a file at a time', async () => {
    const most = 1_700
    for (let n = 0; n < most; n += 100) {
      const ids = Array.from({ length: 100 }, (_, k) => `o-${n + k}`)
      await Promise.all(ids.map((id) => places(id)))
      await Promise.all(ids.map(closes))
    }
    await sent()
    const before = await ledger.chained(0, 10_000)
    const pages: ArchivedPage[] = []
    for (let from: ArchivedPage['next']; ; ) {
      const page = await archived({ from })
      pages.push(page)
      from = page.next
      if (!from) break
    }
    expect(pages.map(({ events }) => events)).toEqual([4_998, 102])
    expect(await everything()).toEqual([])
    expect(await ledger.chained(0, 10_000)).toEqual(before)
    expect((await ledger.chained(2_000, 300)).map(({ event }) => event.position)).toEqual(Array.from({ length: 300 }, (_, n) => 2_001 + n))
  })
})

describe('killed at any step', () => {
  const child = async (what: 'archive' | 'unarchive', step: string, file = '') => {
    const path = fileURLToPath(new URL('../test/archive-child.ts', import.meta.url))
    const started = spawn(process.execPath, ['--conditions=development', path, url, folder, what, step, file], { stdio: 'inherit' })
    const [, signal] = await once(started, 'exit')
    return signal
  }
  /** The server ends the transaction of a connection that is gone. */
  const settled = () =>
    eventually(
      async () =>
        (
          await ledger.sql(
            `select from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())`,
          )
        ).length === 0,
      { within: 15_000 },
    )

  const steps: readonly ArchiveStep[] = ['chosen', 'drafted', 'checked', 'settled', 'noted', 'taken', 'done']
  test.each(steps)('of archiving (%s), nothing is lost and the next one ends it', async (step) => {
    await filled()
    const before = await ledger.events(0, 100)
    const rows = await everything()
    expect(await child('archive', step)).toBe('SIGKILL')
    await settled()
    expect(await ledger.events(0, 100)).toEqual(before)
    await archived()
    expect(await ledger.events(0, 100)).toEqual(before)
    const files = await ledger.checkArchive(0)
    expect(files).toMatchObject([{ events: 6 }])
    expect(files[0]?.problem).toBeUndefined()
    await ledger.unarchive({ file: files[0]?.name ?? '', actor: 'person:ada' })
    expect(await everything()).toEqual(rows)
  })

  const back: readonly UnarchiveStep[] = ['checked', 'inserted', 'compared', 'done']
  test.each(back)('of bringing back (%s), it is brought back by the next one', async (step) => {
    await filled()
    const rows = await everything()
    const { manifest } = await archived()
    expect(await child('unarchive', step, manifest?.file)).toBe('SIGKILL')
    await settled()
    await ledger.unarchive({ file: manifest?.file ?? '', actor: 'person:ada' })
    expect(await everything()).toEqual(rows)
  })
})

test('only one at a time archives', async () => {
  await filled()
  const reached = Promise.withResolvers<void>()
  const release = Promise.withResolvers<void>()
  const first = archived({
    async onStep(step) {
      if (step !== 'checked') return
      reached.resolve()
      await release.promise
    },
  })
  await reached.promise
  await expect(archived()).rejects.toMatchObject({ code: 'conflict' })
  release.resolve()
  expect(await first).toMatchObject({ events: 6 })
})
