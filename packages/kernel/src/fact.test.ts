import { describe, expect, expectTypeOf, it } from 'vitest'
import { z } from 'zod'
import { type DataOf, facts, versions } from './fact.ts'

const v1 = z.object({ title: z.string() })
const v2 = v1.extend({ service: z.string() })
const v3 = v2.extend({ urgent: z.boolean() })
const thing = facts('rondo.things.thing', {
  made: versions(v1, [v2, (old) => ({ ...old, service: 'unknown' })], [v3, (old) => ({ ...old, urgent: old.service === 'shop' })]),
  moved: z.object({ to: z.string() }),
})

describe('a fact', () => {
  it('says its type with the newest version, and what it is without', () => {
    expect(thing.moved({ to: 'here' })).toEqual({ type: 'rondo.things.thing.moved.v1', verb: 'moved', data: { to: 'here' } })
    expect({ ...thing.made }).toMatchObject({
      type: 'rondo.things.thing.made.v3',
      base: 'rondo.things.thing.made',
      verb: 'made',
      version: 3,
    })
  })

  it('has the data of its newest version', () => {
    expectTypeOf<DataOf<typeof thing.made>>().toEqualTypeOf<{ title: string; service: string; urgent: boolean }>()
    expectTypeOf(thing.moved).parameter(0).toEqualTypeOf<{ to: string }>()
  })

  it('raises every stored version to the newest', () => {
    expect(thing.made.read(1, { title: 't' })).toEqual({ title: 't', service: 'unknown', urgent: false })
    expect(thing.made.read(2, { title: 't', service: 'shop' })).toEqual({ title: 't', service: 'shop', urgent: true })
    expect(thing.made.read(3, { title: 't', service: 'shop', urgent: false })).toEqual({ title: 't', service: 'shop', urgent: false })
  })

  it('refuses data that are not of the version that they name, and versions that nobody knows', () => {
    expect(() => thing.made.read(2, { title: 't' })).toThrow('service')
    expect(() => thing.made.read(4, { title: 't' })).toThrow('up to version 3, not 4')
    expect(() => thing.made.read(0, { title: 't' })).toThrow(RangeError)
    expect(() => thing.moved.read(2, { to: 'here' })).toThrow('up to version 1')
  })
})
