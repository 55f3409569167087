import { globSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { needs, shared, sharedMissing } from '@rondo/testkit'
import { describe, expect, test } from 'vitest'
import { fixed, instant, notify, old, place, putShop } from '../test/facts.ts'
import { World } from '../test/world.ts'
import { signalMessage, sourceMessage } from './answers.ts'
import { incident } from './incident.ts'
import { signal } from './signal.ts'
import { source } from './source.ts'

// biome-ignore lint/suspicious/noExplicitAny: the cases' bodies are of many kinds
type Any = any

/** Shared cases that concern signals and incidents; the runner's step names are mapped to what the service itself is given. */
const missing = sharedMissing('cases')
const read = (number: string): { steps: readonly { do: string; body: Any }[] } => {
  const [file] = globSync(`${number}-*.json`, { cwd: shared('cases') })
  return JSON.parse(readFileSync(shared('cases', basename(file ?? `${number}.json`)), 'utf8'))
}
const webhooks = (number: string) =>
  read(number)
    .steps.filter((step) => step.do.endsWith('/alertmanager'))
    .map(({ body }) => body)
const t = (minute: number) => instant(`2026-11-16T08:${String(minute).padStart(2, '0')}:00Z`)
const signals = (world: World) => world.all(signal).map((found) => signalMessage(found))
const byInstance = (world: World) => signals(world).map(({ fingerprint, phase, ended_at }) => ({ fingerprint, phase, ended_at }))

const [one, two, three] = ['ef6585fa48e67563', 'd1237b8ba2061866', '4abca53b1f4496ea']

describe('cases from public bug reports', () => {
  needs({ also: missing })

  test('09: each member of a mixed group speaks for itself', async () => {
    const world = await putShop(new World())
    const [first, second, third] = webhooks('09')
    await notify(notify(world, first, t(1)), second, t(13)).settle()
    const open = { fingerprint: one, phase: 'open', ended_at: '' }
    const cleared = { fingerprint: two, phase: 'cleared', ended_at: instant('2026-11-16T08:12:30.5Z') }
    expect(byInstance(world)).toEqual([cleared, open])
    await notify(world, third, t(21)).settle()
    expect(byInstance(world)).toEqual([cleared, { fingerprint: one, phase: 'cleared', ended_at: t(20) }])
    expect(signals(world).map(({ episode_count }) => episode_count)).toEqual(['1', '1'])
    expect(world.said('rondo.operations.signal.cleared')).toHaveLength(2)
    expect(new Set(signals(world).map(({ problem }) => problem))).toEqual(new Set(['shop: HighErrorRate']))
  })

  const inThisOrder = [
    ['as sent', () => 0],
    ['the last first', (length: number) => length - 1],
  ] as const
  test.each(inThisOrder)(
    '10: absence from a cut list is no end, and a group that is over does not clear what it left out (%s)',
    async (_, pick) => {
      const world = await putShop(new World(pick))
      const [first, second, third] = webhooks('10')
      notify(notify(world, first, t(1)), second, t(6))
      if (pick(9) === 0) {
        await world.settle()
        expect(byInstance(world).map(({ phase }) => phase)).toEqual(['open', 'open', 'open'])
      }
      await notify(world, third, t(31)).settle()
      const found = new Map(signals(world).map((entry) => [entry.fingerprint, entry]))
      expect([one, two, three].map((fingerprint) => found.get(fingerprint!)?.phase)).toEqual(['cleared', 'cleared', 'uncertain'])
      expect(
        found
          .get(three!)
          ?.notes.map(({ text }) => text)
          .join(),
      ).toMatch(/left 4 alerts out/)
      const [sender] = world.all(source).map(sourceMessage)
      expect(sender).toMatchObject({
        source: 'http://alertmanager-1:9093',
        cut_messages: '2',
        alerts_left_out: '5',
        advice: expect.stringContaining('max_alerts'),
      })
    },
  )

  test('11: beside a bad member (refused by the adapter) the others open signals', async () => {
    const world = await putShop(new World())
    await notify(world, webhooks('11')[0], t(1)).settle()
    expect(byInstance(world).map(({ fingerprint, phase }) => [fingerprint, phase])).toEqual([
      [three, 'open'],
      [one, 'open'],
    ])
  })

  test('37: three incidents of one deployment are told with their cause and their ends', async () => {
    const world = await putShop(new World())
    place(world, { since: instant('2026-11-19T13:00:00Z'), artifact: old })
    await place(
      world,
      { since: instant('2026-11-20T13:00:00Z'), artifact: fixed, changes_entered: ['351e5d3980139e62a21b63163c69648cf2af9a19'] },
      2,
    ).settle()
    const asked = instant('2026-11-21T00:00:00Z')
    for (const { do: what, body } of read('37').steps) {
      const rule = /Operations\/(Declare|Attribute|Resolve)Incident/.exec(what)?.[1]?.toLowerCase()
      if (!rule) continue
      const { id, cause, reason, resolved_at, began_at, ...rest } = body
      const input = {
        declare: { ...rest, began_at: began_at && instant(began_at), environment: 'production', owner: 'team-shop', signals: [] },
        attribute: { cause: 'deployment', artifact: cause?.deployment_artifact, reason },
        resolve: { resolved_at: resolved_at && instant(resolved_at) },
      }[rule as 'declare']
      await world.ask({ stream: incident, id, rule, input }, asked)
    }
    expect(
      world.said('rondo.operations.incident.attributed').map(({ incident, artifact, cause }) => [incident, cause, artifact?.slice(0, 14)]),
    ).toEqual(['INC-1', 'INC-2', 'INC-3'].map((id) => [id, 'deployment', 'sha256:b6f949a']))
    expect(world.said('rondo.operations.incident.resolved').map(({ resolved_at }) => resolved_at)).toEqual(
      ['13:40', '14:30', '15:05'].map((time) => instant(`2026-11-20T${time}:00Z`)),
    )
    const suspects = world.state(incident, 'INC-1').suspects
    expect(suspects.map(({ artifact, reason }: Any) => [artifact, reason])).toEqual([
      [fixed, 'began to serve 10 minutes before it began, served 100 % of the traffic then'],
    ])
    expect(suspects[0].changes).toEqual(['351e5d3980139e62a21b63163c69648cf2af9a19'])
  })
})
