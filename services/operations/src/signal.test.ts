import { signal as fact } from '@rondo/contracts/operations'
import { at, given } from '@rondo/kernel/given'
import { describe, test } from 'vitest'
import { signal, type Word } from './signal.ts'

const place = { service: 'shop', environment: 'production', problem: 'shop: HighErrorRate' }
const word: Word = {
  ...place,
  kind: 'alert',
  fingerprint: 'ef66',
  title: 'HighErrorRate',
  source: 'am-1',
  episode: '2026-11-16T08:00:00.123456Z',
}
const other = { ...word, source: 'am-2' }
const t = (minute: number) => `2026-11-16T08:${String(minute).padStart(2, '0')}:00.000000Z`
const opened = fact.opened({ signal: 'stream-1', ...word })
const cleared = (source: string, minute: number) => fact.cleared({ signal: 'stream-1', ...word, source, ended_at: t(minute) })
const repeated = (source: string) => fact.repeated({ signal: 'stream-1', ...word, source })

describe('an episode', () => {
  test('opens the signal once; a repetition changes nothing, a further start is observed', () => {
    given(signal).tell('fires', word).then(opened)
    given(signal, at(t(1), opened))
      .tell('fires', word, { at: t(1) })
      .nothing()
    given(signal, at(t(1), opened))
      .tell('fires', word, { at: t(30) })
      .then(repeated('am-1'))
    const next = { ...word, episode: t(40) }
    given(signal, at(t(1), opened))
      .tell('fires', next, { at: t(41) })
      .then(fact.observed({ signal: 'stream-1', ...next }))
  })

  test('ends with the first "resolved"; the other replica\'s late "firing" changes nothing', () => {
    given(signal, at(t(1), opened))
      .tell('ended', { ...word, ended_at: t(12) }, { at: t(13) })
      .then(cleared('am-1', 12))
    given(signal, at(t(1), opened), at(t(13), cleared('am-1', 12))).phase('cleared')
    given(signal, at(t(1), opened), at(t(13), cleared('am-1', 12)))
      .tell('fires', other, { at: t(20) })
      .then(repeated('am-2'))
    given(signal, at(t(1), opened), at(t(13), cleared('am-1', 12)), at(t(20), repeated('am-2')))
      .inAnyOrder()
      .phase('cleared')
  })

  test('a replica that takes back its own "resolved" withdraws the end', () => {
    const history = [at(t(1), opened), at(t(13), cleared('am-1', 12))]
    const withdrawn = fact.end_withdrawn({ signal: 'stream-1', ...word })
    given(signal, ...history)
      .tell('fires', word, { at: t(20) })
      .then(withdrawn)
    given(signal, ...history, at(t(20), withdrawn))
      .inAnyOrder()
      .phase('open')
    // what the other one says still stands
    given(signal, ...history, at(t(14), cleared('am-2', 13)), at(t(20), withdrawn))
      .inAnyOrder()
      .phase('cleared')
  })

  test('a late word of the same replica does not replace its later one', () => {
    given(signal, at(t(13), cleared('am-1', 12)))
      .tell('fires', word, { at: t(2) })
      .then(opened)
    given(signal, at(t(13), cleared('am-1', 12)), at(t(2), opened))
      .inAnyOrder()
      .phase('cleared')
  })

  test('the same end told again is no news', () => {
    const again = fact.repeated({ signal: 'stream-1', ...word, ended_at: t(12) })
    given(signal, at(t(1), opened), at(t(13), cleared('am-1', 12)))
      .tell('ended', { ...word, ended_at: t(12) }, { at: t(25) })
      .then(again)
    given(signal, at(t(1), opened), at(t(13), cleared('am-1', 12)))
      .tell('ended', { ...word, ended_at: t(12) }, { at: t(13) })
      .nothing()
  })
})

describe('a group that was cut', () => {
  const noted = fact.noted({ signal: 'stream-1', note: 'its group was cut', source: 'am-1', unsure_since: t(30) })
  test('leaves a signal that it did not name uncertain: neither cleared by guess nor plainly open', () => {
    given(signal, at(t(1), opened), at(t(30), noted))
      .inAnyOrder()
      .phase('uncertain')
    given(signal, at(t(1), opened), at(t(30), noted), at(t(40), repeated('am-2')))
      .inAnyOrder()
      .phase('uncertain')
    given(signal, at(t(1), opened), at(t(30), noted), at(t(40), repeated('am-1')))
      .inAnyOrder()
      .phase('open')
    given(signal, at(t(1), opened), at(t(30), noted), at(t(41), cleared('am-1', 40)))
      .inAnyOrder()
      .phase('cleared')
  })
  test('says nothing about a signal that spoke later, or is over', () => {
    given(signal, at(t(35), opened))
      .tell('groupCut', { source: 'am-1', at: t(30), left_out: 4 })
      .nothing()
    given(signal, at(t(1), opened))
      .tell('groupCut', { source: 'am-2', at: t(30), left_out: 4 })
      .nothing()
    given(signal, at(t(1), opened), at(t(13), cleared('am-1', 12)))
      .tell('groupCut', { source: 'am-1', at: t(30), left_out: 4 })
      .nothing()
  })
})

describe('a requirement', () => {
  const linked = (requirement: string) => fact.requirement_linked({ signal: 'stream-1', requirement })
  test('gathers it: the latest link holds, in any order', () => {
    given(
      signal,
      at(t(1), linked('REQ-1')),
      at(t(2), linked('REQ-2')),
      at(t(3), fact.requirement_unlinked({ signal: 'stream-1', requirement: 'REQ-2' })),
    )
      .inAnyOrder()
      .state({
        ...signal.initial,
        links: [
          { requirement: 'REQ-1', at: t(1), linked: true },
          { requirement: 'REQ-2', at: t(3), linked: false },
        ],
      })
    given(signal, at(t(1), linked('REQ-1')))
      .tell('linked', { requirement: 'REQ-1' }, { at: t(1) })
      .nothing()
    given(signal).tell('linked', { requirement: 'REQ-1' }).then(linked('REQ-1'))
  })
})

test('errors have no sender who says that they are over: a proof does; the next event opens again', () => {
  const errors = { ...word, kind: 'errors' as const, fingerprint: 'e1', source: 'app' }
  const first = at(t(1), fact.opened({ signal: 'stream-1', ...errors }))
  const proven = fact.cleared({
    signal: 'stream-1',
    ...place,
    kind: 'errors',
    fingerprint: 'e1',
    title: word.title,
    source: 'proof:PRF-1',
    episode: word.episode,
    said_at: t(30),
    ended_at: t(30),
  })
  given(signal, first)
    .tell('proven', { proof: 'PRF-1', at: t(30) })
    .then(proven)
  given(signal, first, at(t(30), proven)).phase('cleared')
  given(signal, first, at(t(30), proven), at(t(40), fact.observed({ signal: 'stream-1', ...errors, episode: t(40) })))
    .inAnyOrder()
    .phase('open')
  given(signal, at(t(1), opened))
    .tell('proven', { proof: 'PRF-1', at: t(30) })
    .nothing()
})
