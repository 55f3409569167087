import { requester } from '@rondo/contracts/feedback'
import { project, type Sql, type View } from '@rondo/reaction'

export interface Contact {
  readonly name: string
  readonly address: string
  /** The actor who gave it. */
  readonly given_by: string
}

const put = `
  insert into contact (requester, name, address, given_by) values ($1, $2, $3, $4)
  on conflict (requester) do update set name = excluded.name, address = excluded.address, given_by = excluded.given_by where $5`

/** Not an event: what is written here can be deleted without a trace. What is known already stays unless `replace`. */
export async function putContact(sql: Sql, requester: string, { name, address, given_by }: Contact, replace: boolean): Promise<void> {
  await sql(put, [requester, name, address, given_by, replace])
}

export async function eraseContact(sql: Sql, requester: string): Promise<void> {
  await sql('delete from contact where requester = $1', [requester])
}

const queries = (sql: Sql) => ({
  of: async (requester: string): Promise<Contact | undefined> =>
    (await sql<Contact>('select name, address, given_by from contact where requester = $1', [requester]))[0],
})

export const contacts: View<ReturnType<typeof queries>> = {
  name: 'contact',
  on: [project(requester.erased, (sql, { data }) => eraseContact(sql, data.requester))],
  queries,
}
