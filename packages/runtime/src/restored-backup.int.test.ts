import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { administer, eventually, freshDatabase, needs, temporaryFolder } from '@rondo/testkit'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { runServices, type TestRun } from '../test/running.ts'
import { countsService, thingsService } from '../test/services.ts'
import { as } from './rig.ts'

const { met } = needs('postgres18')

let dataDir: string
let database: string
let process: TestRun | undefined
beforeEach(async () => {
  if (!met) return
  dataDir = temporaryFolder('restored')
  database = await freshDatabase()
})
afterEach(async () => {
  await stop()
  if (dataDir) await rm(dataDir, { recursive: true, force: true })
})

const within = { within: 15_000 }
const start = async (changed = {}) => {
  process = await runServices([thingsService, countsService], { RONDO_DATABASE_URL: database }, { dataDir, ...changed })
  return process
}
const stop = async () => {
  await process?.stop()
  process = undefined
}
const note = (text: string) =>
  process?.channels.call('things', 'rondo.things.v1.Things/Note', { thing_id: 'a', text }, as('developer')) as Promise<unknown>
const raiseEpoch = (service: string, anyway = false) =>
  process?.channels.call('things', 'rondo.ledger.v1.Ledger/RaiseEpoch', { service, anyway }, as('admin')) as Promise<unknown>
const counted = async () =>
  Number((await process?.channels.call('counts', 'rondo.counts.v1.Counts/Get', { thing_id: 'a' }, as('auditor')))?.notes)
const status = (name: string) =>
  process?.readiness().then(({ components }) => components.find((one) => one.name === name) ?? { ready: false })

const name = () => new URL(database).pathname.slice(1)
const backUp = () => administer(database, `create database ${name()}_backup template ${name()}`)
const restore = () => administer(database, `drop database ${name()}`, `alter database ${name()}_backup rename to ${name()}`)

describe('an older copy of the database on the embedded bus', () => {
  test('is noticed: nothing is recorded or read until the epoch is raised', async () => {
    await start()
    await note('one')
    await eventually(async () => (await counted()) === 1, within)
    await stop()
    await backUp()
    await start()
    await note('two')
    await eventually(async () => (await counted()) === 2, within)
    await stop()
    await restore()

    const run = await start()
    expect((await run.readiness()).ready).toBe(false)
    expect(await status('things/relay')).toMatchObject({
      ready: false,
      cause: expect.stringContaining('an older backup was restored'),
      fix: expect.stringContaining('rondo restore things'),
    })
    expect(await status('things/consumer')).toMatchObject({ ready: false })
    await expect(note('three')).rejects.toMatchObject({ code: 'unavailable', message: expect.stringContaining('older backup') })
    expect(run.log.some(({ msg }) => msg === 'reading did not begin')).toBe(false)

    for (const service of ['things', 'counts']) expect(await raiseEpoch(service)).toMatchObject({ older_copy: true })
    await eventually(async () => (await run.readiness()).ready, within)
    await note('three')
    await eventually(async () => (await counted()) === 2, within)
  })

  test('is no ledger of which nothing shows it: its epoch is raised only where that is asked for', async () => {
    await start()
    await note('one')
    await eventually(async () => (await counted()) === 1, within)
    await expect(raiseEpoch('things')).rejects.toMatchObject({
      code: 'wrong_phase',
      message: expect.stringContaining('rondo restore things --anyway'),
    })
    expect(await raiseEpoch('things', true)).toMatchObject({ epoch: '2', older_copy: false })
    await note('two')
    await eventually(async () => (await counted()) === 2, within)
  })

  test('is told from a new database of the same name, and from the same one again', async () => {
    await start()
    await note('one')
    await eventually(async () => (await counted()) === 1, within)
    await stop()
    expect((await (await start()).readiness()).ready).toBe(true)
    await stop()
    await administer(database, `drop database ${name()}`, `create database ${name()}`)
    expect((await (await start()).readiness()).ready).toBe(true)
    await note('one')
    const [folder = ''] = await readdir(join(dataDir, 'high-water'))
    await eventually(async () => (await readdir(join(dataDir, 'high-water', folder))).includes('things'), within)
  })
})
