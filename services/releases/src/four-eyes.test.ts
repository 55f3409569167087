import type { Contributor } from '@rondo/contracts/values'
import { describe, expect, test } from 'vitest'
import { contributorsOf, fourEyes, unknownInWords } from './four-eyes.ts'

const ada = 'person:ada@example.org'
const grace = 'person:grace@example.org'
const edsger = 'person:edsger@example.org'
const nothing = { persons: {}, waived: [] }
const by = (actor: string, role: Contributor['role'], shown?: string): Contributor => ({ actor, role, ...(shown ? { shown } : {}) })

describe('four eyes', () => {
  const all = [by(ada, 'author'), by(ada, 'pusher'), by('unmapped:1', 'co_author', 'Grace'), by('service:ci', 'committer')]
  const { persons, waived } = { persons: { 'unmapped:1': grace }, waived: [] }

  test('whoever contributed is refused, with every role', () => {
    expect(fourEyes(ada, all, { persons, waived })).toEqual({ roles: ['author', 'pusher'], unknown: [] })
    expect(fourEyes(grace, all, { persons, waived }).roles).toEqual(['co_author'])
    expect(fourEyes(edsger, all, { persons, waived })).toEqual({ roles: [], unknown: [] })
  })

  test('every role counts', () => {
    for (const role of ['author', 'co_author', 'committer', 'pusher', 'merger'] as const)
      expect(fourEyes(ada, [by(ada, role)], nothing).roles).toEqual([role])
  })

  test('the spelling of an id makes no other person', () => {
    expect(fourEyes('person:Ada@Example.org', all, nothing).roles).toEqual(['author', 'pusher'])
    expect(contributorsOf([by(ada, 'author'), by('person:ADA@example.org', 'merger')], {})).toHaveLength(1)
  })

  test('an unmapped contributor blocks until it is mapped or waived', () => {
    const [unknown] = fourEyes(edsger, all, nothing).unknown
    expect(unknown).toMatchObject({ actor: 'unmapped:1', shown: 'Grace', known: false })
    expect(unknownInWords(unknown!)).toContain('Grace')
    expect(fourEyes(edsger, all, { persons: {}, waived: ['unmapped:1'] }).unknown).toEqual([])
  })

  test('a deleted account is named as such and never left out (07)', () => {
    const merged = [by('unknown:deleted-account', 'author'), by(grace, 'merger')]
    const { roles, unknown } = fourEyes(edsger, merged, nothing)
    expect(roles).toEqual([])
    expect(unknown.map(unknownInWords)).toEqual([expect.stringContaining('a contributor cannot be identified: unknown (deleted account)')])
  })
})
