import { policy } from '@rondo/contracts/builds'
import { person } from '@rondo/contracts/gateway'
import { incident } from '@rondo/contracts/operations'
import type { Envelope } from '@rondo/kernel'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ada, catalog, contained, decided, deployed, deploymentsOf, digest, grace, published, repository, sha } from '../test/facts.ts'
import { at, outside, World } from '../test/world.ts'

test('any interleaving and repetition of what happened ends in the same state', async () => {
  const base = { incident: 'INC-1', service: 'shop' }
  const all: readonly Envelope[] = [
    catalog(),
    outside(policy.put({ service: 'shop', yaml: '', hash: 'p1', by: 'person:admin' }), 'shop', '2026-11-01T00:00:00Z'),
    ...published('a', '2026-11-20T12:00:00Z'),
    contained(
      'a',
      [
        { actor: ada, role: 'author' },
        { actor: 'unmapped:1', role: 'pusher' },
      ],
      ['REQ-1'],
    ),
    contained(
      'a',
      [
        { actor: ada, role: 'author' },
        { actor: 'unmapped:1', role: 'pusher' },
      ],
      ['REQ-1', 'REQ-2'],
      5,
    ),
    decided('a', 'pass'),
    decided('a', 'fail', 2),
    outside(person.mapped({ person: 'grace@example.org', identities: ['unmapped:1'] }), 'grace', '2026-11-21T11:00:00Z'),
    deployed('d1', '2026-11-20T13:00:00Z', { repository, revision: sha('a'), state: 'started' }),
    deployed('d1', '2026-11-20T13:05:00Z', { repository, revision: sha('a'), state: 'succeeded' }),
    deployed('d2', '2026-11-20T14:00:00Z', { artifact: digest('a'), state: 'succeeded' }),
    deployed('d2', '2026-11-20T15:00:00Z', { artifact: digest('a'), state: 'rolled_back' }),
    outside(
      incident.declared({
        ...base,
        severity: 'high',
        title: 'x',
        began_at: at('2026-11-20T14:10:00Z'),
        signals: [],
        environment: 'production',
        owner: 'o',
        by: grace,
      }),
      'INC-1',
      '2026-11-20T14:10:00Z',
      1,
    ),
    outside(
      incident.attributed({ ...base, cause: 'deployment', artifact: digest('a'), reason: 'x', by: grace }),
      'INC-1',
      '2026-11-20T16:00:00Z',
      2,
    ),
    outside(incident.resolved({ ...base, resolved_at: at('2026-11-20T14:30:00Z'), by: grace }), 'INC-1', '2026-11-20T14:30:00Z', 3),
  ]
  // Words that tell of the way, not of where it ended; `told` of a link counts what was news on the way.
  const onTheWay = ['announced', 'unmapped', 'release', 'told', 'violations']
  const end = async (events: readonly Envelope[], pick?: (choices: number) => number) => {
    const world = new World()
    for (const event of events) {
      await world.deliver(event)
      if (pick?.(2) !== 1) await world.settle(pick)
    }
    await world.settle(pick)
    const violated = (await deploymentsOf(world)).map(({ id, state }) => [id, state.violations.length > 0])
    return JSON.stringify(violated) + world.picture(onTheWay)
  }
  const expected = await end(all)
  // Both brought the artifact there before it began: the later one is the cause.
  expect(expected.match(/#d[12]"|"decision": "\w+"/g)?.slice(2, 6)).toEqual([
    '#d1"',
    '"decision": "not_caused"',
    '#d2"',
    '"decision": "caused"',
  ])
  await fc.assert(
    fc.asyncProperty(
      fc.shuffledSubarray([...all, ...all], { minLength: all.length * 2, maxLength: all.length * 2 }),
      fc.infiniteStream(fc.nat(1000)),
      async (order, choices) => {
        expect(await end(order, (count) => (choices.next().value ?? 0) % count)).toBe(expected)
      },
    ),
    { numRuns: 60 },
  )
})
