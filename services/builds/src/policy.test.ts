import { DomainError } from '@rondo/kernel'
import { expect, test } from 'vitest'
import { defaultPolicy, readPolicy } from './policy.ts'

test('all that can be written', () => {
  const { criteria, pass, warnReleases } = readPolicy(`
pass: 95.5
warn_releases: true
criteria:
  - {id: coverage, pass: ['>=80', '>= -2'], warn: '>=70', weight: 0.1}
  - {id: p95-ms, pass: '<=+10%', key: true}
  - {id: lines}
`)
  expect([pass.toFraction(), warnReleases]).toEqual(['191/2', true])
  expect(criteria.map(({ id, weight, key, threshold }) => [id, weight.toFraction(), key, threshold])).toEqual([
    ['coverage', '1/10', false, '>=80, >= -2; warn >=70'],
    ['p95-ms', '1', true, '<=+10%'],
    ['lines', '1', false, 'none'],
  ])
  expect(criteria.flatMap((one) => one.pass.map(({ op, kind, number }) => `${op} ${kind} ${number.toFraction()}`))).toEqual([
    '>= absolute 80',
    '>= amount -2',
    '<= percent 10',
  ])
})

test('the default', () => {
  expect(readPolicy(defaultPolicy).criteria.map(({ id, key }) => [id, key])).toEqual([
    ['failed-tests', true],
    ['test-count', false],
  ])
})

test.each([
  ['not YAML', 'criteria: [', 'policy'],
  ['a list', '- a', 'policy'],
  ['nothing', '', 'policy'],
  ['no criteria', 'pass: 90', 'criteria'],
  ['an unknown key', 'criteria: []\nfail: 3', 'policy'],
  ['an unknown key in a criterion', 'criteria: [{id: a, passes: ">=1"}]', 'criteria[0]'],
  ['no objective', 'criteria: [{id: a, pass: [">=1", "80"]}]', 'criteria[0].pass[1]'],
  ['another operator', 'criteria: [{id: a, pass: "<3"}]', 'criteria[0].pass'],
  ['a percent of nothing', 'criteria: [{id: a, pass: ">=80%"}]', 'criteria[0].pass'],
  ['a number', 'criteria: [{id: a, pass: 3}]', 'criteria[0].pass'],
  ['a warning without a pass', 'criteria: [{id: a, warn: ">=1"}]', 'criteria[0].warn'],
  ['a key that cannot fail', 'criteria: [{id: a, key: true}]', 'criteria[0].key'],
  ['a weight of nothing', 'criteria: [{id: a, pass: ">=1", weight: 0}]', 'criteria[0].weight'],
  ['twice the same', 'criteria: [{id: a}, {id: a}]', 'criteria[1].id'],
  ['a warning above the pass', 'pass: 50\ncriteria: []', 'warn'],
  ['a key twice', 'criteria: []\ncriteria: []', 'policy'],
  ['aliases without end', `a: &a [1]\nb: &b [${'*a, '.repeat(30)}]\ncriteria: []`, 'policy'],
])('%s is refused with its path', (_, yaml, path) => {
  expect(() => readPolicy(yaml)).toThrow(DomainError)
  try {
    readPolicy(yaml)
  } catch (error) {
    expect(error).toMatchObject({ code: 'invalid', details: { path } })
  }
})
