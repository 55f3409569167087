import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { exits } from './exit.ts'
import { runProgram } from './program.ts'

async function run(...args: readonly string[]) {
  const out: string[] = []
  const err: string[] = []
  const streams = { out: { write: (text: string) => out.push(text) }, err: { write: (text: string) => err.push(text) } }
  const exit = await runProgram(args, new AbortController().signal, streams)
  return { exit, out: out.join(''), err: err.join('') }
}

describe('what is not understood ends with 2 and says why', () => {
  test.each([
    [['dmo'], "unknown command 'dmo' (Did you mean demo?)"],
    [['loop', 'REQ-1', '--al'], "unknown option '--al' (Did you mean --all?)"],
    [['loop'], "missing required argument 'requirement'"],
    [['loop', 'REQ-1', 'REQ-2'], 'too many arguments'],
    [['wait', 'verdict', 'x'], 'Allowed choices are gate, deploy, proof'],
    [['wait', 'gate', 'x', '--timeout', 'soon'], '--timeout: "soon" is no span'],
    [['emit'], "required option '--example <name>' not specified"],
    [['emit', '--example', 'alert', '--print', '--set', 'alerts[0].state=x'], 'there is no "state" in alerts.0'],
    [['token', 'create', 'ada'], "required option '--role <roles>' not specified"],
    [['token', 'create', 'ada', '--role', 'king'], '--role: king; there are reporter'],
    [['help', 'nothing'], 'there is no command "nothing"'],
    [[], 'no command was given'],
  ])('%j', async (args, message) => {
    const { exit, err } = await run(...args)
    expect(exit).toBe(2)
    expect(err).toContain(message)
    expect(err).toMatch(/^rondo: /)
  })
})

test('under --json an error is one line of JSON on stderr, and stdout stays empty', async () => {
  const { exit, out, err } = await run('loop', '--json')
  expect(exit).toBe(2)
  expect(out).toBe('')
  expect(JSON.parse(err)).toEqual({ error: "missing required argument 'requirement'", exit: 2 })
})

test.each([
  ['demo'],
  ['loop'],
  ['tail'],
  ['status'],
  ['wait'],
  ['emit'],
  ['call'],
  ['import', 'git'],
  ['token', 'create'],
  ['person', 'put'],
])('%s %s has help, and --json', async (...words) => {
  const { exit, out } = await run(...words.filter(Boolean), '--help')
  expect(exit).toBe(0)
  expect(out).toContain(`Usage: rondo ${words.filter(Boolean).join(' ')}`)
  expect(out).toContain('--json')
  expect((await run('help', ...words.filter(Boolean))).out).toBe(out)
})

test('the exit codes are documented', async () => {
  expect((await run('help', 'exit-codes')).out).toMatch(/0 {2}done[\s\S]*3 {2}refused by policy[\s\S]*130 {2}interrupted/)
  expect(JSON.parse((await run('help', 'exit-codes', '--json')).out).exit_codes).toContainEqual({ code: 8, means: 'still pending' })
})

test('an example can be looked at without a server', async () => {
  const { exit, out } = await run('emit', '--example', 'errors', '--set', 'errors.service=cart', '--print', '--json')
  expect(exit).toBe(0)
  expect(JSON.parse(out)).toMatchObject({ errors: { service: 'cart', events: '7' } })
})

test('Ctrl-C ends with 130', async () => {
  const interrupted = new AbortController()
  const said: string[] = []
  const running = runProgram(['call', 'Requirements/ListRequirements', '-'], interrupted.signal, {
    out: { write: () => undefined },
    err: { write: (text: string) => said.push(text) },
  })
  interrupted.abort()
  expect(await running).toBe(130)
  expect(said).toEqual(['rondo: interrupted\n'])
})

test('the README documents the same exit codes', () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
  for (const { code, means } of Object.values(exits)) expect(readme).toContain(`| ${code} | ${means}`)
})
