import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { repositoryRoot, shared, sharedMissing } from './test-data.ts'

test('the root is the folder with the workspace file, and shared lies beside it', () => {
  expect(existsSync(join(repositoryRoot(), 'pnpm-workspace.yaml'))).toBe(true)
  expect(shared('a', 'b.json')).toBe(join(repositoryRoot(), '..', 'shared', 'a', 'b.json'))
})

test('what is not there is named, with how to get it', () => {
  expect(sharedMissing('no', 'such.json')).toMatch(/such\.json is not there: put the shared test data beside the checkout/)
})
