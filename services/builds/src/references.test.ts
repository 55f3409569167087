import fc from 'fast-check'
import { expect, test } from 'vitest'
import { references } from './references.ts'

const a = 'a'.repeat(40)
const b = 'b'.repeat(40)

test.each([
  ['a trailer', 'Round totals\n\nImplements: REQ-1', ['REQ-1'], []],
  ['a Fixes trailer among others', 'Round\n\nSigned-off-by: Ada <a@b.c>\nFixes: REQ-1, REQ-2', ['REQ-1', 'REQ-2'], []],
  ['an imported id in a trailer', 'Round\n\nImplements: SHOP-12', ['SHOP-12'], []],
  ['a closing word in the subject', 'Fix REQ-1: round totals', ['REQ-1'], []],
  ['a closing word in a sentence', 'This closes REQ-1.', ['REQ-1'], []],
  ['a list', 'Fixes REQ-1, REQ-2 and REQ-3', ['REQ-1', 'REQ-2', 'REQ-3'], []],
  ['a list with an Oxford comma', 'Resolves REQ-1, REQ-2, and REQ-3', ['REQ-1', 'REQ-2', 'REQ-3'], []],
  ['a list that goes on in the next line', 'Fixes REQ-1,\nREQ-2', ['REQ-1', 'REQ-2'], []],
  ['a list broken by a denial', 'Fixes REQ-1, not REQ-2', ['REQ-1'], ['REQ-2']],
  ['lower case and the made form', 'fixes req-1a2b3c4d', ['REQ-1A2B3C4D'], []],
  ["a person's own id keeps its letters", 'fixes REQ-checkout', ['REQ-checkout'], []],
  ['a denial', 'This does not fix REQ-1', [], ['REQ-1']],
  ['a short denial', "It doesn't yet fully fix REQ-1", [], ['REQ-1']],
  ['a typographic denial', 'It won’t fix REQ-1', [], ['REQ-1']],
  ['a denied list', 'Never closes REQ-1 or REQ-2', [], ['REQ-1', 'REQ-2']],
  ['a denial in another clause', 'Do not merge yet, fixes REQ-1', ['REQ-1'], []],
  ['a denial before "but"', 'Not pretty but fixes REQ-1', ['REQ-1'], []],
  ['a word between', 'Fix for REQ-1', [], ['REQ-1']],
  ['a scope', 'fix(REQ-1): totals', [], ['REQ-1']],
  ['part of another word', 'prefix REQ-1, un-fixes REQ-2', [], ['REQ-1', 'REQ-2']],
  ['a see-also', 'See REQ-1\n\nRefs: REQ-2', [], ['REQ-1', 'REQ-2']],
  ['no id at all', 'Fixes UTF-8 and CVE-2024-1', [], []],
  ['a quoted reply', '> Fixes REQ-1\nno', [], ['REQ-1']],
  ['code', 'Say `Fixes REQ-1` in the message', [], ['REQ-1']],
  ['a hint in a template', '<!-- Fixes REQ-1 -->', [], ['REQ-1']],
  ['the subject of a revert', `Revert "Fix REQ-1"\n\nThis reverts commit ${a}.`, [], ['REQ-1']],
  ['a revert that fixes another one', `Revert "Fix REQ-1"\n\nThis reverts commit ${a}.\n\nFixes: REQ-2`, ['REQ-2'], ['REQ-1']],
])('%s', (_, message, implement, mention) => {
  expect(references(message)).toMatchObject({ implements: implement, mentions: mention })
})

test('what is taken back and where it came from', () => {
  expect(references(`Revert "x"\n\nThis reverts commit ${a}, reversing\nchanges made to ${b}.`).reverts).toEqual([a])
  expect(references(`This reverts commits ${a} and ${b}.`).reverts).toEqual([a, b])
  expect(references(`x\n\n(cherry picked from commit ${a})\n(cherry picked from commit ${b})`).picked_from).toEqual([a, b])
  expect(references('This reverts commit abcdef1.').reverts).toEqual(['abcdef1'])
})

test('any text has an answer, and nothing is both', () => {
  const words = fc.constantFrom(
    'fixes',
    'not',
    'REQ-1',
    'REQ-2',
    ',',
    'and',
    '\n',
    '>',
    '`',
    '<!--',
    'Implements:',
    'This reverts commit',
    a,
    ':',
    ' ',
  )
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(words).map((all) => all.join(' ')),
      ),
      (message) => {
        const found = references(message)
        expect(found.implements.filter((one) => found.mentions.includes(one))).toEqual([])
      },
    ),
  )
})
