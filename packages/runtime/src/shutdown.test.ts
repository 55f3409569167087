import { expect, test } from 'vitest'
import { createLog } from './log.ts'
import { Shutdown } from './shutdown.ts'

test('stops in reverse order, goes on after a failure, leaves behind what hangs, and is done once', async () => {
  const lines: string[] = []
  const shutdown = new Shutdown(createLog('warn', { write: (line: string) => lines.push(line) }), 100)
  const closed: string[] = []
  const add = (name: string, close = () => Promise.resolve()) =>
    shutdown.add(name, () => {
      closed.push(name)
      return close()
    })
  add('engines')
  add('hanging', () => new Promise(() => undefined))
  add('failing', () => Promise.reject(new Error('not now')))
  add('servers')
  await Promise.all([shutdown.stop(), shutdown.stop()])
  expect(closed).toEqual(['servers', 'failing', 'hanging', 'engines'])
  expect(lines.join()).toContain('not now')
  expect(lines.join()).toContain('"part":"hanging"')
})
