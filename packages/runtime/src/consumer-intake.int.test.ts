import { type CloudEventRecord, toIntakeRecord } from '@rondo/contracts/cloudevents'
import type { FactTable } from '@rondo/kernel'
import type { Unit } from '@rondo/ledger'
import { when } from '@rondo/reaction'
import { eventually } from '@rondo/testkit'
import { describe, expect, test } from 'vitest'
import { bus, consume, consumer, event, ledger, outside, puts, seen, service, texts, unwanted } from '../test/tally.ts'
import { retryParked, skipParked } from './operator.ts'
import { reactionTable } from './reaction-table.ts'

describe('intake', () => {
  const observed = (id: string, text: string, type = outside.observed.base, contentHash?: string) => {
    const {
      stream: _1,
      streamId: _2,
      version: _3,
      position: _4,
      partition: _5,
      recordedAt: _6,
      ...rest
    } = event(1, { to: ['a'], text }, { type, id })
    return toIntakeRecord({ ...rest, key: id, ...(contentHash ? { contentHash } : {}) })
  }
  /** As the edge sends it: with the hash of its content. */
  const unread = (id: string, text: string) => observed(id, text, unwanted.seen.base, `hash of ${text}`)
  const sendIntake = (...records: readonly CloudEventRecord[]) => bus.send('rondo.intake.v1', records)
  const [one, two, three] = ['a', 'b', 'c'].map((last) => `00000000-0000-5000-8000-00000000000${last}`) as [string, string, string]

  test('is taken once by its id; another content is a conflict, and the first stands', async () => {
    await sendIntake(observed(one, 'first'), observed(one, 'first'), observed(one, 'other'), observed(two, 'second'))
    await consume()
    await seen(['first', 'second'])
    await seen([one], 'conflicts')
    expect(await ledger.known(one)).toMatchObject({ duplicates: 1, conflicts: 1 })
    await consumer?.stop()
    await sendIntake(observed(one, 'first'), observed(one, 'other'))
    await consume()
    await eventually(async () => (await ledger.known(one))?.duplicates === 2, { within: 10_000 })
    expect(await texts('conflicts')).toEqual([one])
  })

  test('of no interest is known by its id too, ahead of what comes behind it', async () => {
    await sendIntake(observed(one, 'unwanted', unwanted.seen.base), observed(one, 'wanted'), observed(two, 'second'))
    await consume()
    await seen(['second'])
    await seen([one], 'conflicts')
    await sendIntake(observed(three, 'unwanted', unwanted.seen.base))
    await eventually(() => ledger.known(three), { within: 10_000 })
  })

  test('without an effect is noted together, each by its id, without a look at what it says', async () => {
    const remembered: FactTable = unwanted
    const broken = { ...unread(three, 'third'), value: Buffer.from('not JSON') }
    await sendIntake(unread(one, 'first'), unread(two, 'second'), unread(one, 'first'), broken)
    const submitted: Unit[] = []
    const submit = (unit: Unit) => {
      submitted.push(unit)
      return ledger.submit(unit)
    }
    await consume({ remembers: Object.values(remembered) }, { ...ledger, submit })
    await eventually(() => ledger.known(three), { within: 10_000 })
    expect(submitted).toMatchObject([{ remember: false, noted: [one, two, one, three].map((id) => ({ id })), checkpoint: { position: 4 } }])
    expect(await ledger.known(one)).toMatchObject({ hash: 'hash of first', duplicates: 1, conflicts: 0 })
    expect(await ledger.known(two)).toMatchObject({ hash: 'hash of second', duplicates: 0, conflicts: 0 })
  })

  test('without an effect: another content is a conflict, the first stands, and those beside it are noted', async () => {
    await sendIntake(unread(one, 'first'))
    await consume()
    await eventually(() => ledger.known(one), { within: 10_000 })
    await consumer?.stop()
    await sendIntake(unread(two, 'second'), unread(one, 'other'), unread(three, 'third'), unread(one, 'first'))
    await consume()
    await seen([one], 'conflicts')
    await eventually(async () => (await ledger.known(one))?.duplicates === 1, { within: 10_000 })
    expect(await ledger.known(one)).toMatchObject({ hash: 'hash of first', conflicts: 1 })
    expect(await ledger.known(two)).toMatchObject({ hash: 'hash of second', conflicts: 0 })
    expect(await ledger.known(three)).toMatchObject({ hash: 'hash of third', conflicts: 0 })
  })

  test('without an effect waits behind its key, where that is parked', async () => {
    await sendIntake({ ...observed(one, 'first'), key: 'k' }, { ...unread(two, 'second'), key: 'k' }, unread(three, 'third'))
    await consume({
      reactions: [
        when(outside.observed, () => {
          throw new TypeError('broken on purpose')
        }),
      ],
    })
    await eventually(() => ledger.known(three), { within: 10_000 })
    expect(await ledger.known(two)).toBeUndefined()
    expect(await ledger.parkedKeys()).toMatchObject([{ key: 'k', waiting: 2 }])
  })

  test('that was parked, and applied when it was retried, is not applied again when it comes again', async () => {
    await sendIntake(observed(one, 'first'))
    await consume({
      reactions: [
        when(outside.observed, () => {
          throw new TypeError('broken on purpose')
        }),
      ],
    })
    const [key] = await eventually(async () => (await ledger.parkedKeys()).length === 1 && ledger.parkedKeys(), { within: 10_000 })
    await consumer?.stop()
    await consume()
    const by = { actor: 'person:ada', why: 'mended' }
    expect(await retryParked({ service, ledger, table: reactionTable(service) }, key!, by)).toMatchObject({ applied: 1, waiting: 0 })
    await sendIntake(observed(one, 'first'), observed(two, 'second'))
    await seen(['first', 'second'])
    expect(await ledger.known(one)).toMatchObject({ duplicates: 1, conflicts: 0 })
  })

  test('that is retried and left out at once is one of both, and whoever comes late is told so', async () => {
    await sendIntake(observed(one, 'first'))
    const broken = () => {
      throw new TypeError('broken on purpose')
    }
    await consume({ reactions: [when(outside.observed, broken)] })
    const [key] = await eventually(async () => (await ledger.parkedKeys()).length === 1 && ledger.parkedKeys(), { within: 10_000 })
    await consumer?.stop()
    const by = { actor: 'person:ada', why: 'mended' }
    const mended = { service, ledger, table: reactionTable(service) }
    const [retried, skipped] = await Promise.allSettled([retryParked(mended, key!, by), skipParked(mended, key!, by)])
    expect([retried, skipped].filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    expect([retried, skipped]).toContainEqual({ status: 'rejected', reason: expect.objectContaining({ code: 'not_found' }) })
    expect(await texts()).toEqual(retried.status === 'fulfilled' ? ['first'] : [])
    expect(await ledger.parkedKeys()).toEqual([])
  })

  test('that was applied and comes again behind its parked key does not wait there', async () => {
    await sendIntake({ ...observed(one, 'first'), key: 'k' }, { ...observed(two, 'second'), key: 'k' })
    await consume({
      reactions: [
        when(outside.observed, ({ id, data }) => {
          if (id === two) throw new TypeError('broken on purpose')
          return puts(data)
        }),
      ],
    })
    await sendIntake({ ...observed(one, 'first'), key: 'k' })
    await eventually(async () => (await ledger.known(one))?.duplicates === 1, { within: 10_000 })
    expect(await ledger.parkedKeys()).toMatchObject([{ key: 'k', waiting: 1 }])
    // With another content it is a conflict now, not when somebody decides over the key
    await sendIntake({ ...observed(one, 'other'), key: 'k' })
    await seen([one], 'conflicts')
    expect(await ledger.parkedKeys()).toMatchObject([{ key: 'k', waiting: 1 }])
  })
})
