import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { eventually, freePorts, temporaryFolder } from '@rondo/testkit'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

const main = fileURLToPath(new URL('./main.ts', import.meta.url))
let folder: string
const running = new Set<Started>()

beforeEach(async () => {
  folder = temporaryFolder('all in one')
})
afterEach(async () => {
  await Promise.all([...running].map(ended))
  // What a killed instance left behind is stopped by the next one
  if (existsSync(join(folder, 'postgres', 'postmaster.pid'))) {
    const last = start({})
    await eventually(() => last.text().includes('Rondo runs') || last.ended(), { within: 60_000 })
    await ended(last)
  }
  await rm(folder, { recursive: true, force: true })
})

interface Started {
  readonly child: ChildProcess
  readonly exit: Promise<number | null>
  readonly text: () => string
  readonly ended: () => boolean
}

function start(env: Readonly<Record<string, string>>, ...args: readonly string[]): Started {
  const child = spawn(process.execPath, ['--conditions=development', main, ...args], {
    env: { ...process.env, RONDO_DATA_DIR: folder, RONDO_HTTP_PORT: '0', RONDO_GRPC_PORT: '0', ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let text = ''
  let ended = false
  child.stderr?.on('data', (chunk) => {
    text += String(chunk)
  })
  const exit = once(child, 'exit').then(([code]) => {
    ended = true
    running.delete(one)
    return code as number | null
  })
  const one: Started = { child, exit, text: () => text, ended: () => ended }
  running.add(one)
  return one
}

async function ended({ child, exit }: Started): Promise<void> {
  child.kill('SIGTERM')
  await exit
}

async function ready(one: Started): Promise<string> {
  await eventually(() => one.text().includes('Rondo runs'), { within: 60_000 })
  const [, url = ''] = /HTTP\s+(http:\/\/\S+)/.exec(one.text()) ?? []
  return url
}

describe('npm start', () => {
  test('makes a token for its owner alone, stops cleanly, and goes on where it was', async () => {
    const first = start({})
    const url = await ready(first)
    expect((await fetch(`${url}/readyz`)).status).toBe(200)
    expect((await stat(join(folder, 'token'))).mode & 0o777).toBe(0o600)
    const token = (await readFile(join(folder, 'token'), 'utf8')).trim()
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
    const raised = await fetch(`${url}/rondo.requirements.v1.Requirements/Raise`, {
      method: 'POST',
      headers,
      body: '{"requirement_id":"REQ-1","title":"Kept","service":"shop"}',
    })
    expect(raised.status).toBe(200)
    first.child.kill('SIGINT')
    expect(await first.exit).toBe(0)
    expect(first.text()).toContain('stopped')

    const second = start({})
    const again = await ready(second)
    const kept = await fetch(`${again}/rondo.requirements.v1.Requirements/GetRequirement`, {
      method: 'POST',
      headers,
      body: '{"requirement_id":"REQ-1"}',
    })
    expect(await kept.json()).toMatchObject({ summary: { title: 'Kept' } })
    expect(await (await fetch(`${again}/`)).text()).toContain('Kept')
  })

  test('takes over what a killed instance left, and leaves a live one alone', async () => {
    const first = start({})
    await ready(first)
    const other = start({})
    expect(await other.exit).toBe(1)
    expect(other.text()).toMatch(/is running on .* already \(process \d+\): stop it first/)
    first.child.kill('SIGKILL')
    await first.exit
    const next = start({})
    await ready(next)
    expect(next.text()).toContain('an instance that was killed')
  })

  test.each(['RONDO_HTTP_PORT', 'RONDO_GRPC_PORT'])('says in a sentence which port is taken and that %s moves it', async (variable) => {
    const [port = 0] = await freePorts(1)
    const taken = createServer().listen(port, '127.0.0.1')
    await once(taken, 'listening')
    const one = start({ [variable]: String(port) })
    expect(await one.exit).toBe(1)
    expect(one.text()).toMatch(new RegExp(`port ${port} .*is taken.*${variable}`))
    // one sentence: no stack, and nothing that a library says beside it
    expect(one.text()).not.toMatch(/\n\s+at |No address/)
    taken.close()
  })

  test('says in a sentence which variable is wrong and which folder cannot be used', async () => {
    const wrong = start({ RONDO_GRPC_PORT: 'many' })
    expect(await wrong.exit).toBe(1)
    expect(wrong.text()).toMatch(/RONDO_GRPC_PORT is "many": expected a port/)
    await writeFile(join(folder, 'file'), '')
    const nowhere = start({ RONDO_DATA_DIR: join(folder, 'file', 'data') })
    expect(await nowhere.exit).toBe(1)
    expect(nowhere.text()).toMatch(/cannot be written.*RONDO_DATA_DIR/)
  })

  test('--ephemeral leaves nothing behind', async () => {
    const one = start({}, '--ephemeral')
    await ready(one)
    const [, token = ''] = /token\s+(\S+)/.exec(one.text()) ?? []
    expect(token).toContain('rondo-')
    one.child.kill('SIGTERM')
    expect(await one.exit).toBe(0)
    await expect(stat(join(process.cwd(), token))).rejects.toThrow(/ENOENT/)
  })
})
