import { expect, test } from 'vitest'
import { fullMethod, objectOf } from './call.ts'

test.each([
  ['Requirements/Refine', 'rondo.requirements.v1.Requirements/Refine'],
  ['People/PutPerson', 'rondo.intake.v1.People/PutPerson'],
  ['rondo.builds.v1.Builds/GetGate', 'rondo.builds.v1.Builds/GetGate'],
])('%s', (given, full) => expect(fullMethod(given)).toBe(full))

test('what is no method says what there is', () => {
  expect(() => fullMethod('Requirement/Refine')).toThrow('there is no service "Requirement"; there are Requirements, Builds')
  expect(() => fullMethod('refine')).toThrow('is no method such as')
})

test.each(['', '[]', 'null', '3', '{"a":'])('%j is no request', (text) => expect(() => objectOf(text)).toThrow(/request is/))
