import type { People } from '@rondo/proto/intake'
import type { Session } from '../session.ts'

export interface PersonOptions {
  readonly name?: string
  readonly email?: readonly string[]
  readonly github?: string
  readonly githubId?: string
}

/** Says under which identities a person is known. */
export async function putPerson(
  { api, terminal }: Session,
  person: string,
  { name = '', email = [], github = '', githubId = '' }: PersonOptions,
): Promise<void> {
  const request: People['PutPerson']['request'] = { person, name, emails: [...email], github, github_id: githubId }
  const { actor, version } = await api.rpc<People['PutPerson']['response']>('rondo.intake.v1.People/PutPerson', request)
  terminal.data({ actor, version }, `${actor} is known (version ${version})`)
}
