import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { temporaryFolder } from '@rondo/testkit/temporary-folder'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { checkRole, hashToken, openTokens } from './tokens.ts'

let folder: string
let path: string
beforeAll(async () => {
  folder = temporaryFolder('tokens')
  path = join(folder, 'tokens.json')
})
afterAll(() => rm(folder, { recursive: true }))

const put = (...tokens: readonly (readonly [string, string, ...string[]])[]) =>
  writeFile(path, JSON.stringify(tokens.map(([token, actor, ...roles]) => ({ sha256: hashToken(token), actor, roles }))))

test('who calls follows from the token; the file is read again when it changed', async () => {
  let time = 0
  const tokens = openTokens(path, () => time)
  await expect(tokens.callerOf('Bearer one')).rejects.toMatchObject({ code: 'unauthenticated' })
  expect(await tokens.state()).toMatchObject({ known: 0, problem: expect.stringContaining('there is no token file') })
  await put(['one', 'person:ada', 'developer'])
  expect(await tokens.callerOf('Bearer one')).toEqual({ actor: 'person:ada', roles: ['developer'] })
  await put(['two', 'service:ci', 'reporter'], ['three', 'service:x', 'reporter'])
  expect(await tokens.callerOf('bearer two')).toMatchObject({ actor: 'service:ci' })
  time += 5000
  await expect(tokens.callerOf('Bearer one')).rejects.toMatchObject({ code: 'unauthenticated' })
})

test('a broken file says what is wrong with it', async () => {
  await writeFile(path, JSON.stringify([{ sha256: 'x', actor: 'person:ada', roles: ['developer'] }]))
  expect(await openTokens(path).state()).toEqual({ known: 0, problem: expect.stringContaining('0.sha256: the SHA-256 of the token') })
})

test('without a token, or with another scheme, the answer says how', async () => {
  for (const header of [undefined, '', 'Basic abc', 'Bearer'])
    await expect(openTokens(path).callerOf(header)).rejects.toThrow('authorization: Bearer')
})

test('roles', () => {
  const developer = { actor: 'person:ada', roles: ['developer'] } as const
  expect(() => checkRole(developer, ['developer', 'approver'], 'it')).not.toThrow()
  expect(() => checkRole(developer, [], 'it')).not.toThrow()
  expect(() => checkRole({ ...developer, roles: ['admin'] }, ['approver'], 'it')).not.toThrow()
  expect(() => checkRole(developer, ['approver'], 'Approve')).toThrow('Approve needs one of the roles approver; person:ada has developer')
})
