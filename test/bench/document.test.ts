import { expect, test } from 'vitest'
import { filledIn, merged } from './document.ts'

const line = (row: string, day: string) => ({ row, day, lines: [`| ${row} |`] })

test('rows that were measured again take their former places, in the order of the rows', () => {
  const before = [line('ledger', '1'), line('idle', '1'), line('gone', '1')]
  expect(merged(before, [line('start', '2'), line('ledger', '2')], ['ledger', 'start', 'idle'])).toEqual([
    line('ledger', '2'),
    line('start', '2'),
    line('idle', '1'),
  ])
})

const text = 'before\n<!-- figures: written by `npm run bench -- --write` -->\nold\n<!-- end of figures -->\nafter\n'

test('only what is between the marks is written anew, twice as once', () => {
  const once = filledIn(text, '| new |\n')
  expect(once).toContain('| new |')
  expect(once).not.toContain('old')
  expect(once.startsWith('before\n') && once.endsWith('after\n')).toBe(true)
  expect(filledIn(once, '| new |\n')).toBe(once)
})

test('a document without its marks is refused, and not overwritten', () => {
  expect(() => filledIn('all by hand', '')).toThrow('expected <!-- figures')
})
