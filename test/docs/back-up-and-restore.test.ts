import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { eventually, repositoryRoot, temporaryFolder } from '@rondo/testkit'
import { afterEach, beforeEach, expect, test } from 'vitest'

const run = promisify(execFile)
let folder: string
let child: ChildProcess | undefined
beforeEach(async () => {
  folder = temporaryFolder('backup')
})
afterEach(async () => {
  await stop()
  await rm(folder, { recursive: true, force: true })
})

/** As `npm start` does; resolves with its address. */
async function start(): Promise<string> {
  const started = spawn(process.execPath, ['--conditions=development', 'services/all-in-one/src/main.ts'], {
    cwd: repositoryRoot(),
    env: { ...process.env, RONDO_DATA_DIR: join(folder, 'data'), RONDO_HTTP_PORT: '0', RONDO_GRPC_PORT: '0' },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  child = started
  let text = ''
  started.stderr?.on('data', (chunk) => (text += String(chunk)))
  await eventually(() => text.includes('Rondo runs') || started.exitCode !== null, { within: 60_000 })
  const [, url] = /HTTP\s+(http:\/\/\S+)/.exec(text) ?? []
  if (!url) throw new Error(text)
  return url
}

async function stop(): Promise<void> {
  const stopping = child
  child = undefined
  if (!stopping || stopping.exitCode !== null) return
  const ended = once(stopping, 'exit')
  stopping.kill('SIGINT')
  await ended
}

async function rpc(url: string, method: string, request: object): Promise<Response> {
  const token = (await readFile(join(folder, 'data', 'token'), 'utf8')).trim()
  return fetch(`${url}/rondo.requirements.v1.Requirements/${method}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(request),
  })
}
const raise = async (url: string, id: string) =>
  expect((await rpc(url, 'Raise', { requirement_id: id, title: id, service: 'shop' })).status).toBe(200)

test('the guide’s steps back up, go back, and are noticed', async () => {
  const guide = await readFile(join(repositoryRoot(), 'docs', 'guides', 'back-up-and-restore.md'), 'utf8')
  const [backUp = '', restore = '', look = '', giveUp = ''] = [...guide.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, code = '']) => code)
  const env = { ...process.env, RONDO_DATA_DIR: join(folder, 'data'), BACKUP: join(folder, 'backup.tar.gz') }
  const shell = (steps: readonly string[], more = {}) =>
    run('bash', ['-euo', 'pipefail', '-c', steps.join('\n')], { cwd: repositoryRoot(), env: { ...env, ...more } })
  const [setting = '', place = ''] = backUp.split('\n')

  await raise(await start(), 'REQ-KEPT')
  await stop()
  await shell([backUp])
  await raise(await start(), 'REQ-LATER')
  await stop()
  await shell([setting, place, restore])

  const url = await start()
  expect((await fetch(`${url}/readyz`)).status).toBe(503)
  const { stdout } = await shell([look], { RONDO_URL: url })
  expect(stdout).toContain('rondo restore requirements')
  expect((await shell([look, giveUp], { RONDO_URL: url })).stdout).toMatch(
    /requirements goes on from its backup, in epoch 2[\s\S]*all equal to what is stored/,
  )
  await eventually(async () => (await fetch(`${url}/readyz`)).status === 200, { within: 30_000 })
  expect((await rpc(url, 'GetRequirement', { requirement_id: 'REQ-KEPT' })).status).toBe(200)
  expect((await rpc(url, 'GetRequirement', { requirement_id: 'REQ-LATER' })).status).toBe(404)
  await raise(url, 'REQ-AFTER')
}, 180_000)
