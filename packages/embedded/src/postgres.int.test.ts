import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { temporaryFolder } from '@rondo/testkit/temporary-folder'
import pg from 'pg'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { startPostgres } from './postgres.ts'
import { StartError } from './start-error.ts'

let folder: string
beforeEach(async () => {
  folder = temporaryFolder('embedded data')
})
afterEach(() => rm(folder, { recursive: true, force: true }))

async function query<Row extends pg.QueryResultRow>(url: string, text: string): Promise<Row[]> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    return (await client.query<Row>(text)).rows
  } finally {
    await client.end()
  }
}

test('data survive a stop and the next start', async () => {
  const first = await startPostgres(folder)
  await query(first.url, 'create table kept as select 42 as answer')
  await first.stop()
  const second = await startPostgres(folder)
  try {
    expect(await query(second.url, 'select answer from kept')).toEqual([{ answer: 42 }])
    expect(second.adopted).toBe(false)
  } finally {
    await second.stop()
  }
})

test('a second live instance is told who has the data, and does them no harm', async () => {
  const first = await startPostgres(folder)
  try {
    await expect(startPostgres(folder)).rejects.toThrow(new RegExp(`running on .* already \\(process ${process.pid}\\): stop it first`))
    expect(await query(first.url, 'select 1 as one')).toEqual([{ one: 1 }])
  } finally {
    await first.stop()
  }
})

/** Starts a server and is killed; what it said. */
async function killed(): Promise<{ readonly pid: number | undefined; readonly url: string }> {
  const script = join(folder, 'dies.mts')
  const index = JSON.stringify(fileURLToPath(new URL('./index.ts', import.meta.url)))
  const code = `import { startPostgres } from ${index}; const { url } = await startPostgres(${JSON.stringify(folder)}); process.stdout.write(url, () => process.kill(process.pid, 'SIGKILL'))`
  await writeFile(script, code)
  const child = spawn(process.execPath, ['--conditions=development', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [url, [, signal]] = await Promise.all([text(child.stdout), once(child, 'exit')])
  expect(signal).toBe('SIGKILL')
  return { pid: child.pid, url }
}

test('what a killed instance left running is adopted', async () => {
  await killed()
  const next = await startPostgres(folder)
  try {
    expect(next.adopted).toBe(true)
  } finally {
    await next.stop()
  }
})

test('also where its server has not seen yet that it is gone', async () => {
  const { pid, url } = await killed()
  const busy = new pg.Client({ connectionString: url, application_name: `rondo instance ${pid}` })
  await busy.connect()
  await busy.query('select pg_advisory_lock(7266660)')
  const asked = busy.query('select pg_sleep(2)').catch(() => 'gone')
  await busy.end()
  expect(await asked).toBe('gone')
  const next = await startPostgres(folder)
  try {
    expect(next.adopted).toBe(true)
  } finally {
    await next.stop()
  }
})

test('a pid file without its server is no obstacle', async () => {
  const first = await startPostgres(folder)
  await first.stop()
  await writeFile(join(folder, 'postgres', 'postmaster.pid'), `${process.pid}\n${join(folder, 'postgres')}\n0\n1\n\n127.0.0.1\n`)
  await expect(startPostgres(folder).then((next) => next.stop())).resolves.toBeUndefined()
})

test('a folder that cannot be used is named, with the variable that moves it', async () => {
  const file = join(folder, 'a file')
  await writeFile(file, '')
  await expect(startPostgres(join(file, 'data'))).rejects.toThrow(StartError)
  await expect(startPostgres(join(file, 'data'))).rejects.toThrow(/RONDO_DATA_DIR/)
})
