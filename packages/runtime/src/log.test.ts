import { expect, test } from 'vitest'
import { createLog } from './log.ts'

function lines(write: (log: ReturnType<typeof createLog>) => void): readonly Record<string, unknown>[] {
  const written: string[] = []
  write(createLog('info', { write: (line: string) => written.push(line) }))
  return written.map((line) => JSON.parse(line) as Record<string, unknown>)
}

test('one JSON object a line, with the level as a word', () => {
  const [line] = lines((log) => log.child({ service: 'builds' }).warn({ topic: 'rondo.intake.v1', offset: 5n }, 'paused'))
  expect(line).toMatchObject({ level: 'warn', service: 'builds', topic: 'rondo.intake.v1', offset: '5', msg: 'paused' })
  expect(line?.time).toMatch(/^\d{4}-\d\d-\d\dT.*Z$/)
})

test('no name comes twice in a line', () => {
  const written: string[] = []
  const log = createLog('info', { write: (line: string) => written.push(line) }).child({ service: 'builds' })
  log.info({ service: 'builds', number: 1 }, 'migration applied')
  expect(written.join('').match(/"service"/g)).toHaveLength(1)
  expect(JSON.parse(written.join(''))).toMatchObject({ service: 'builds', number: 1, msg: 'migration applied' })
})

test('secrets and personal fields stay out, however deep', () => {
  const text = JSON.stringify(
    lines((log) => {
      log.info(
        {
          headers: { Authorization: 'Bearer abc' },
          people: [{ email: 'ada@example.org', deep: { token: 'abc' } }],
          url: 'postgres://u:hush@db/x',
        },
        'x',
      )
      log.error({ err: new Error('cannot reach postgres://u:hush@db', { cause: new Error('Bearer abc') }) }, 'failed')
      log.info('with Bearer abc and redis://:hush@cache')
    }),
  )
  expect(text).not.toMatch(/abc|hush|ada@/)
  expect(text).toContain('cannot reach postgres://…@db')
})
