import { environment as fact } from '@rondo/contracts/releases'
import { given } from '@rondo/kernel/given'
import { expect, test } from 'vitest'
import { environment, environmentOf, isProduction } from './environment.ts'

const terms = { production: true, rank: 2, deployers: [] }
const from = '2026-12-24T00:00:00.000000Z'

test('an environment is declared, with or without a freeze', () => {
  given(environment)
    .ask('put', terms, { streamId: 'live' })
    .then(fact.put({ environment: 'live', ...terms, by: 'person:somebody' }))
  given(environment)
    .ask('put', { ...terms, frozen_from: from }, { streamId: 'live' })
    .then(fact.put({ environment: 'live', ...terms, frozen_from: from, by: 'person:somebody' }))
})

test('a freeze ends after it began', () => {
  given(environment)
    .ask('put', { ...terms, frozen_from: from, frozen_until: from })
    .refused('invalid')
  given(environment)
    .ask('put', { ...terms, frozen_until: from })
    .refused('invalid')
})

test('undeclared, its name says whether users are served there; declared, the declaration', () => {
  expect(['production', 'prod', 'Production', 'prod-eu', 'staging', 'product', 'preprod', 'non-production'].filter(isProduction)).toEqual([
    'production',
    'prod',
    'Production',
    'prod-eu',
  ])
  expect(environmentOf(environment.initial, 'production')).toMatchObject({ environment: 'production', production: true })
  expect(environmentOf({ ...environment.initial, production: false }, 'production').production).toBe(false)
})
