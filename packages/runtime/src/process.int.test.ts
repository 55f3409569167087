import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { globSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { eventually, freshDatabase, needs, temporaryFolder } from '@rondo/testkit'
import { afterAll, afterEach, expect, test } from 'vitest'

const path = (file: string) => fileURLToPath(new URL(file, import.meta.url))
const { met } = needs('postgres18')

const dataDir = temporaryFolder('process')
afterAll(() => rmSync(dataDir, { recursive: true, force: true }))

let child: ChildProcess | undefined
afterEach(() => child?.kill('SIGKILL'))

/** The test's process, registered as the real ones are. */
function launch(env: Readonly<Record<string, string>>) {
  const output = { text: '' }
  const args = ['--conditions=development', '--import', path('./register.mjs'), path('../test/main.ts')]
  const own = { PATH: process.env.PATH, RONDO_HTTP_PORT: '0', RONDO_GRPC_PORT: '0', RONDO_DATA_DIR: dataDir }
  child = spawn(process.execPath, args, { env: { ...own, ...env } })
  const ended = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (output.text += chunk))
  const started = () => eventually(() => output.text.includes('"msg":"started"'), { within: 30_000 })
  return { child, output, ended, started }
}

const stops = async (env: Readonly<Record<string, string>>, signal: NodeJS.Signals) => {
  const { child, ended, started } = launch({ RONDO_DATABASE_URL: met ? await freshDatabase() : '', ...env })
  await started()
  const begin = performance.now()
  child.kill(signal)
  expect((await ended)[0]).toBe(0)
  return performance.now() - begin
}

test('ends by itself at SIGTERM and SIGINT', async () => {
  expect(await stops({}, 'SIGTERM')).toBeLessThan(6000)
  expect(await stops({}, 'SIGINT')).toBeLessThan(6000)
})

test('does not wait for a collector that is down', async () => {
  expect(await stops({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1' }, 'SIGTERM')).toBeLessThan(8000)
})

test('nothing is traced where nobody takes it', async () => {
  const code = `import { trace } from '@opentelemetry/api'
    process.stdout.write(trace.getTracer('any').startSpan('any').spanContext().traceId)`
  const traceId = async (env: Readonly<Record<string, string>>) => {
    const args = ['--conditions=development', '--import', path('./register.mjs'), '--input-type=module', '-e', code]
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: path('.'), env: { PATH: process.env.PATH, ...env } })
    return stdout
  }
  expect(await traceId({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1' })).toMatch(/^(?!0+$)[0-9a-f]{32}$/)
  expect(await traceId({})).toMatch(/^0{32}$/)
})

test('keeps what it compiled for the next start, however it ends', async () => {
  const cache = temporaryFolder('compiled')
  const { child, ended, started } = launch({ RONDO_DATABASE_URL: await freshDatabase(), NODE_COMPILE_CACHE: cache })
  await started()
  await eventually(() => globSync('*/*', { cwd: cache }).length > 500, { within: 10_000 })
  child.kill('SIGKILL')
  await ended
  rmSync(cache, { recursive: true, force: true })
})

test('ends at once at the second signal', async () => {
  // A collector that takes connections and never answers makes the orderly stop slow.
  const { createServer } = await import('node:net')
  const silent = createServer(() => undefined).listen(0, '127.0.0.1')
  await once(silent, 'listening')
  const address = silent.address()
  const port = address && typeof address === 'object' ? address.port : 0
  const { child, ended, started, output } = launch({
    RONDO_DATABASE_URL: await freshDatabase(),
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
  })
  await started()
  child.kill('SIGTERM')
  await eventually(() => output.text.includes('once more ends at once'), { within: 5000 })
  child.kill('SIGTERM')
  expect((await ended)[0]).toBe(1)
  silent.close()
})

test('says in one sentence per fault why it does not start', async () => {
  const { ended, output } = launch({ RONDO_HTTP_PORT: 'eighty', RONDO_DATABASE_URL: 'x' })
  expect((await ended)[0]).toBe(1)
  expect(output.text).toContain('RONDO_HTTP_PORT is "eighty": expected a port, 0 to 65535')
  expect(output.text).not.toContain('    at ')
})

test('names the database that it cannot reach, and its variable', async () => {
  const { ended, output } = launch({ RONDO_DATABASE_URL: 'postgres://u:hush@127.0.0.1:1/x' })
  expect((await ended)[0]).toBe(1)
  expect(output.text).toMatch(/127\.0\.0\.1:1/)
  expect(output.text).toContain('RONDO_DATABASE_URL')
  expect(output.text).not.toContain('hush')
})

test('names the Kafka that it cannot reach, and its variable, in seconds', async () => {
  const begin = performance.now()
  const { ended, output } = launch({ RONDO_DATABASE_URL: await freshDatabase(), RONDO_KAFKA_BROKERS: '127.0.0.1:1' })
  expect((await ended)[0]).toBe(1)
  expect(output.text).toContain('Kafka at 127.0.0.1:1 (RONDO_KAFKA_BROKERS) cannot be used')
  expect(performance.now() - begin).toBeLessThan(20_000)
})
