import { ask, tell } from '@rondo/kernel'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { engines, unit } from '../test/fixture.ts'
import { order } from '../test/order-stream.ts'
import type { OpenLedger, Unit } from './index.ts'

const opened: OpenLedger[] = []
afterEach(async () => {
  vi.restoreAllMocks()
  for (const ledger of opened.splice(0)) await ledger.close()
})

const cause = { at: '2026-01-01T00:00:00.000000Z', actor: 'person:ada', correlationId: 'c', causationId: 'c' }
const place = (id: string, item: string) => unit([ask(order, id, 'place', { item })])
const holders = async (read: OpenLedger['read'], item: string) => (await read.find(order, 'item', [item])).map(({ id }) => id)
const reaction = 'rondo.testing.heard'
let count = 0

describe.each(engines)('what a reaction is told without a look-up on $name', (engine) => {
  engine.needs()

  /** Two processes; the first has seen often enough that what it has not seen is not there. */
  async function both() {
    const fresh = await engine.fresh()
    const [one, two] = [await fresh(), await fresh()] as const
    opened.push(one, two)
    for (let n = 0; n < 5; n++) {
      const { again } = one.guessing(reaction)
      await holders(again, `item-${n}`)
      await again.load(order, `unseen-${n}`)
      await one.submit(unit([tell(order, `warm-${n}`, 'placed', { item: 'warm' })], { cause }))
    }
    return { one, two, looked: vi.spyOn(one.database.store, 'find') }
  }

  /** A reaction of the first process: what it reads, what happens then, what it wrote in the end; `again` is how often it read for it. */
  async function reacted<Found>(
    one: OpenLedger,
    read: (read: OpenLedger['read']) => Promise<Found>,
    meanwhile: () => Promise<unknown>,
    given: Partial<Unit> = {},
  ) {
    const guessing = one.guessing(reaction)
    const log = `log-${++count}`
    const told = async (from: OpenLedger['read']) => [tell(order, log, 'placed', { item: JSON.stringify(await read(from)) })]
    const messages = await told(guessing.read)
    const rests = guessing.rests()
    await meanwhile()
    let times = 0
    const again = () => {
      times++
      return told(guessing.again)
    }
    await one.submit(unit(messages, { cause, rests, again, ...given }))
    return { wrote: JSON.parse((await one.read.load(order, log)).item ?? 'null'), again: times }
  }
  const nothing = async () => undefined

  test('is written where it is so, and nothing was looked up: what is not there, and what this process has written', async () => {
    const { one, looked } = await both()
    await one.submit(place('o', 'salt'))
    looked.mockClear()
    const read = (from: OpenLedger['read']) =>
      Promise.all([holders(from, 'salt'), holders(from, 'pepper'), from.load(order, 'o'), from.load(order, 'nobody')])
    const guessing = one.guessing(reaction)
    await read(guessing.read)
    expect(looked).not.toHaveBeenCalled()
    expect(await reacted(one, read, nothing)).toEqual({ wrote: [['o'], [], { count: 0, item: 'salt' }, { count: 0 }], again: 0 })
  })

  test('is looked up by who has found otherwise, and by nobody else', async () => {
    const { one, two, looked } = await both()
    const follower = 'rondo.testing.followed'
    for (let n = 0; n < 3; n++) {
      await two.submit(place(`theirs-${n}`, `theirs-${n}`))
      const { again } = one.guessing(follower)
      expect(await again.load(order, `theirs-${n}`)).toMatchObject({ item: `theirs-${n}` })
      expect(await holders(again, `theirs-${n}`)).toEqual([`theirs-${n}`])
    }
    looked.mockClear()
    const asks = async (asker: string, what: string) => {
      const { read } = one.guessing(asker)
      await read.load(order, what)
      await holders(read, what)
      return looked.mock.calls.length
    }
    expect(await asks(reaction, 'nobody’s')).toBe(0)
    expect(await asks(follower, 'somebody’s')).toBe(2)
  })

  test.each([
    ['a value is held by somebody', (two: OpenLedger) => two.submit(place('p', 'salt'))],
    ['a stream is there', (two: OpenLedger) => two.submit(unit([tell(order, 'nobody', 'count', 7)]))],
    ['a stream was written', (two: OpenLedger) => two.submit(unit([tell(order, 'o', 'count', 7)]))],
  ])('is read again where it is not so when it is written: %s', async (_, others) => {
    const { one, two } = await both()
    await one.submit(place('o', 'milk'))
    const read = (from: OpenLedger['read']) =>
      Promise.all([holders(from, 'salt'), from.load(order, 'o').then((o) => o.count), from.load(order, 'nobody').then((o) => o.count)])
    const { wrote, again } = await reacted(one, read, () => others(two))
    expect(again).toBe(1)
    expect(wrote).toEqual(await read(two.read))
    expect(wrote).not.toEqual([[], 0, 0])
  })

  test('is read again where one who held a value holds it no more', async () => {
    const { one, two } = await both()
    await one.submit(unit([ask(order, 'o', 'place', { item: 'tea', number: '7' })]))
    const read = async (from: OpenLedger['read']) => (await from.find(order, 'number', ['7'])).map(({ id }) => id)
    const { wrote, again } = await reacted(one, read, () => two.submit(unit([ask(order, 'o', 'close', { reason: 'done' })])))
    expect({ wrote, again }).toEqual({ wrote: [], again: 1 })
  })

  test('is read again where this very process has written since', async () => {
    const { one } = await both()
    await one.submit(place('o', 'milk'))
    const read = async (from: OpenLedger['read']) => [await holders(from, 'salt'), (await from.load(order, 'o')).count]
    const { wrote } = await reacted(one, read, async () => {
      await one.submit(place('p', 'salt'))
      await one.submit(unit([tell(order, 'o', 'count', 2)], { cause }))
    })
    expect(wrote).toEqual([['p'], 2])
  })

  test('is compared where nothing but a checkpoint is written, and where the stream that was read is written, too', async () => {
    const { one, two } = await both()
    const checkpoint = { source: 't', partition: 0, previous: 0, position: 1, nextOffset: 1n }
    await one.submit(unit([], { remember: false, checkpoint }))
    const guessing = one.guessing(reaction)
    expect(await holders(guessing.read, 'salt')).toEqual([])
    const rests = guessing.rests()
    await two.submit(place('p', 'salt'))
    const again = vi.fn(async () => [])
    await one.submit(unit([], { remember: false, checkpoint: { ...checkpoint, previous: 1, position: 2, nextOffset: 2n }, rests, again }))
    expect(again).toHaveBeenCalledTimes(1)

    await one.submit(place('o', 'milk'))
    const second = one.guessing(reaction)
    const { count: before } = await second.read.load(order, 'o')
    await one.submit(unit([tell(order, 'o', 'count', 5)], { cause }))
    const add = (n: number) => [tell(order, 'o', 'count', n === 0 ? 1 : 100)]
    await one.submit(unit(add(before), { cause, rests: second.rests(), again: async () => add((await one.read.load(order, 'o')).count) }))
    expect((await two.read.load(order, 'o')).count).toBe(105)
  })

  test('is read again by each of a batch that is too large to be written without a load', async () => {
    const { one, two } = await both()
    const read = (from: OpenLedger['read']) => holders(from, 'salt')
    const guessings = Array.from({ length: 17 }, () => one.guessing(reaction))
    await Promise.all(guessings.map((guessing) => read(guessing.read)))
    await two.submit(place('p', 'salt'))
    const again = vi.fn(async () => [tell(order, 'log', 'placed', { item: String(await read(one.read)) })])
    const units = guessings.map(({ rests }, n) => unit([tell(order, `other-${n}`, 'count', 1)], { cause, rests: rests(), again }))
    await Promise.all(units.map((each) => one.submit(each)))
    expect(again).toHaveBeenCalledTimes(guessings.filter(({ rests }) => rests()).length)
    expect(again.mock.calls.length).toBeGreaterThan(0)
    expect(await two.read.load(order, 'log')).toMatchObject({ item: 'p' })
  })

  test('is not written by who cannot read again', async () => {
    const { one, two } = await both()
    const guessing = one.guessing(reaction)
    await holders(guessing.read, 'salt')
    await two.submit(place('p', 'salt'))
    await expect(one.submit(unit([tell(order, 'log', 'count', 1)], { cause, rests: guessing.rests() }))).rejects.toThrow(
      'cannot be run again',
    )
  })
})
