import { expect, test } from 'vitest'
import { eventIdOf } from './intake.ts'

test('an outside event is known by its source and id, for ever: what was sent before must be found again', () => {
  expect(eventIdOf('https://ci.example.org', '1')).toBe('59a7e774-49a2-510b-a201-7cadef8744f9')
  expect(eventIdOf('https://ci.example.org', 'é "quoted"')).toBe('c6b38e74-a166-577a-929c-d537c17f8672')
  expect(eventIdOf('a', 'bc')).not.toBe(eventIdOf('ab', 'c'))
})
