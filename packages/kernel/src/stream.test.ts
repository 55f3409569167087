import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { Envelope } from './envelope.ts'
import { DomainError, errorCodes, refuse } from './errors.ts'
import { facts, versions } from './fact.ts'
import { at, given } from './given.ts'
import { ask, tell } from './message.ts'
import { type Context, decide, evolve, fold, stream } from './stream.ts'

const fact = facts('rondo.doors.door', {
  opened: versions(z.object({}), [z.object({ by: z.string() }), () => ({ by: 'nobody' })]),
  seen: z.object({ id: z.string() }),
  denied: z.object({ by: z.string() }),
})
interface Door {
  readonly openedBy?: string
  readonly since?: string
  readonly seen: readonly string[]
}
const door = stream('door', fact, { seen: [] } as Door)({
  fold: 1,
  asks: {
    open(door, { key }: { key: string }, { actor }: Context) {
      if (key !== 'right') refuse('forbidden', 'the key does not fit', { path: 'key' }, [fact.denied({ by: actor })])
      return door.openedBy ? [] : [fact.opened({ by: actor })]
    },
    break: () => {
      throw new TypeError('a defect')
    },
  },
  tells: {
    seen: (door, { id }: { id: string }) => (door.seen.includes(id) ? [] : [fact.seen({ id })]),
    stumble: () => refuse('invalid', 'tells do not refuse'),
    due: () => [],
  },
  evolve: {
    opened: (door, { by }, { at }) => (door.since && door.since <= at ? door : { ...door, openedBy: by, since: at }),
    seen: (door, { id }) => ({ ...door, seen: [...door.seen, id] }),
    denied: (door) => door,
  },
  phase: ({ openedBy }) => (openedBy ? 'open' : 'closed'),
  keys: { seen: ({ seen }) => seen },
  unique: ['seen'],
  timers: ({ since }) => (since ? [{ at: since, tell: 'due' }] : []),
})

const context: Context = { at: '2026-01-01T00:00:00.000000Z', actor: 'person:ada', messageId: 'm', streamId: 'd-1' }

describe('decide', () => {
  it('gives what the rule makes', () => {
    expect(decide(ask(door, 'd-1', 'open', { key: 'right' }), door.initial, context)).toEqual({
      facts: [fact.opened({ by: 'person:ada' })],
    })
    expect(decide(tell(door, 'd-1', 'seen', { id: 'x' }), door.initial, context)).toEqual({ facts: [fact.seen({ id: 'x' })] })
  })

  it('gives the refusal of an ask with the facts that it leaves', () => {
    const { facts: left, refused } = decide(ask(door, 'd-1', 'open', { key: 'wrong' }), door.initial, context)
    expect(left).toEqual([fact.denied({ by: 'person:ada' })])
    expect(refused).toMatchObject({ code: 'forbidden', details: { path: 'key' } })
  })

  it('throws what is a defect: a refusal out of a tell, any other error, a rule that is not there', () => {
    expect(() => decide(tell(door, 'd-1', 'stumble'), door.initial, context)).toThrow(DomainError)
    expect(() => decide(ask(door, 'd-1', 'break'), door.initial, context)).toThrow('a defect')
    expect(() => decide({ ...ask(door, 'd-1', 'break'), rule: 'vanish' }, door.initial, context)).toThrow('no ask "vanish"')
  })
})

describe('messages', () => {
  it('are held to the rules by the compiler', () => {
    // @ts-expect-error there is no such ask
    ask(door, 'd-1', 'seen', { id: 'x' })
    // @ts-expect-error a reaction cannot ask
    tell(door, 'd-1', 'open', { key: 'right' })
    // @ts-expect-error the input is not that of the rule
    tell(door, 'd-1', 'seen', { id: 1 })
    // @ts-expect-error the input is missing
    tell(door, 'd-1', 'seen')
    expect(tell(door, 'd-1', 'due')).toMatchObject({ kind: 'tell', id: 'd-1', rule: 'due' })
  })
})

describe('fold', () => {
  const event = (type: string, schemaVersion: number, data: unknown) =>
    ({ id: 'e-1', type, schemaVersion, data, occurredAt: context.at, actor: 'person:ada' }) as Envelope

  it('raises a stored event to the newest version and takes it in', () => {
    expect(fold(door, door.initial, event('rondo.doors.door.opened', 1, {}))).toMatchObject({ openedBy: 'nobody', since: context.at })
    expect(fold(door, door.initial, event('rondo.doors.door.opened', 2, { by: 'x' }))).toMatchObject({ openedBy: 'x' })
  })

  it('throws at what it does not know', () => {
    expect(() => fold(door, door.initial, event('rondo.doors.door.painted', 1, {}))).toThrow('knows no fact "painted"')
    expect(() => fold(door, door.initial, event('rondo.doors.door.opened', 3, { by: 'x' }))).toThrow(RangeError)
    expect(() => evolve(door, door.initial, 'painted', {}, { id: 'e', ...context })).toThrow('painted')
  })
})

describe('given', () => {
  const opened = fact.opened({ by: 'person:ada' })

  it('is content with what is so', () => {
    given(door).ask('open', { key: 'right' }, { actor: 'person:ada' }).then(opened)
    given(door, opened).ask('open', { key: 'right' }).nothing()
    given(door)
      .ask('open', { key: 'wrong' })
      .refused('forbidden', [fact.denied({ by: 'person:somebody' })])
    given(door, fact.seen({ id: 'a' }))
      .tell('seen', { id: 'a' })
      .nothing()
    given(door, opened, fact.seen({ id: 'a' })).phase('open')
    given(door, at('2026-01-02T00:00:00.000000Z', opened)).state({ openedBy: 'person:ada', since: '2026-01-02T00:00:00.000000Z', seen: [] })
  })

  it('complains of what is not', () => {
    expect(() => given(door).ask('open', { key: 'right' }).then()).toThrow('expected []')
    expect(() =>
      given(door)
        .ask('open', { key: 'right' })
        .then(fact.opened({ by: 'another' })),
    ).toThrow('another')
    expect(() => given(door).ask('open', { key: 'right' }).refused('forbidden')).toThrow('was not refused')
    expect(() =>
      given(door)
        .ask('open', { key: 'wrong' })
        .refused('invalid', [fact.denied({ by: 'person:somebody' })]),
    ).toThrow('forbidden')
    expect(() => given(door).ask('open', { key: 'wrong' }).refused('forbidden')).toThrow('leaves')
    expect(() => given(door).ask('open', { key: 'wrong' }).then(opened)).toThrow('was refused')
    expect(() => given(door, opened).tell('seen', { id: 'a' }).nothing()).toThrow('seen')
    expect(() => given(door, opened).phase('closed')).toThrow('expected "closed"')
  })

  it('finds a rule to which the order matters, and one to which repetition does', () => {
    expect(() =>
      given(door, opened, fact.opened({ by: 'b' }))
        .inAnyOrder()
        .phase('open'),
    ).not.toThrow()
    const last = stream(
      'last',
      fact,
      {} as { by?: string },
    )({
      fold: 1,
      asks: {},
      tells: {},
      evolve: { opened: (_, { by }) => ({ by }), seen: (state) => state, denied: (state) => state },
      keys: {},
    })
    expect(() =>
      given(last, opened, fact.opened({ by: 'b' }))
        .inAnyOrder()
        .states(),
    ).toThrow('the order matters')
    expect(() =>
      given(door, fact.seen({ id: 'a' }))
        .inAnyOrder()
        .states(),
    ).toThrow('the order matters')
  })
})

describe('errors', () => {
  it('have a status for gRPC, one for HTTP and a sentence each', () => {
    for (const { grpc, http, means } of Object.values(errorCodes)) {
      expect(grpc).toMatch(/^[A-Z_]+$/)
      expect(http).toBeGreaterThanOrEqual(400)
      expect(means.length).toBeGreaterThan(10)
    }
  })
})
