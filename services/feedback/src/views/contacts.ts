import { requester } from '@rondo/contracts/feedback'
import { project, type Sql, type View } from '@rondo/reaction'

export interface Contact {
  readonly name: string
  readonly address: string
}

const put = `
  insert into contact (requester, name, address) values ($1, $2, $3)
  on conflict (requester) do update set name = excluded.name, address = excluded.address`

const queries = (sql: Sql) => ({
  /** Not an event: what is written here can be deleted without a trace. */
  put: async (requester: string, { name, address }: Contact): Promise<void> => {
    await sql(put, [requester, name, address])
  },
  of: async (requester: string): Promise<Contact | undefined> =>
    (await sql<Contact>('select name, address from contact where requester = $1', [requester]))[0],
})

export const contacts: View<ReturnType<typeof queries>> = {
  name: 'contact',
  on: [
    project(requester.erased, async (sql, { data }) => {
      await sql('delete from contact where requester = $1', [data.requester])
    }),
  ],
  queries,
}
