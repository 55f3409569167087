import { expect, test } from 'vitest'
import { createHearing } from './hearing.ts'

const t = (time: string) => `2026-11-20T${time}.000000Z`

test('the same bytes again within a minute are a second try, later a repetition', () => {
  const hearing = createHearing()
  expect(hearing('am-1/g', 'firing', t('09:00:00')).at).toBe(t('09:00:00'))
  expect(hearing('am-1/g', 'firing', t('09:00:40')).at).toBe(t('09:00:00'))
  // Counted from the first hearing: whoever repeats often is heard each minute
  expect(hearing('am-1/g', 'firing', t('09:01:10')).at).toBe(t('09:01:10'))
})

test('what is heard for the first time is told from a second try', () => {
  const hearing = createHearing()
  const isFirst = (delivery: string, time: string) => hearing('am-1/g', delivery, t(time)).isFirst
  expect([
    isFirst('firing', '09:00:00'),
    isFirst('firing', '09:00:40'),
    isFirst('firing', '09:01:10'),
    isFirst('resolved', '09:01:11'),
  ]).toEqual([true, false, true, true])
})

test('what is said again after something else is a word taken back, however soon', () => {
  const hearing = createHearing()
  hearing('am-1/g', 'firing', t('09:00:00'))
  hearing('am-1/g', 'resolved', t('09:00:02'))
  expect(hearing('am-1/g', 'firing', t('09:00:04')).at).toBe(t('09:00:04'))
})

test('each voice is heard for itself', () => {
  const hearing = createHearing()
  hearing('am-1/g', 'firing', t('09:00:00'))
  expect(hearing('am-2/g', 'firing', t('09:00:01')).at).toBe(t('09:00:01'))
  expect(hearing('am-1/g', 'firing', t('09:00:02')).at).toBe(t('09:00:00'))
})

test('two words are never said at one time: the later one counts', () => {
  const hearing = createHearing()
  hearing('am-1/g', 'firing', t('09:00:00'))
  expect(hearing('am-1/g', 'resolved', t('09:00:00')).at).toBe('2026-11-20T09:00:00.001000Z')
  // A clock that was set back
  expect(hearing('am-1/g', 'firing', t('08:00:00')).at).toBe('2026-11-20T09:00:00.002000Z')
})

test('of too many voices the one that was silent longest is forgotten', () => {
  const hearing = createHearing(2)
  hearing('a', 'x', t('09:00:00'))
  hearing('b', 'x', t('09:00:01'))
  hearing('c', 'x', t('09:00:02'))
  expect(hearing('b', 'x', t('09:00:03')).at).toBe(t('09:00:01'))
  expect(hearing('a', 'x', t('09:00:04')).at).toBe(t('09:00:04'))
})
