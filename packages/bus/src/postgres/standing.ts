import pg from 'pg'
import { asRole } from './role-url.ts'

/** What a role may do in a schema once it was made ready: all with the rows of its tables, but only look at some of them. */
export interface Standing {
  readonly schema: string
  readonly role: string
  /** Absent: how it logs in is not asked. */
  readonly password?: string | undefined
  readonly onlyReads: readonly string[]
}

const wrong = `
  select from pg_class c where relnamespace = s.oid and case
    when relkind = 'S' then not has_sequence_privilege(r.oid, c.oid, 'usage')
    when relkind not in ('r', 'p', 'v', 'm', 'f') then false
    when relname = any($3) then not has_table_privilege(r.oid, c.oid, 'select') or has_table_privilege(r.oid, c.oid, 'insert, update, delete')
    else not (has_table_privilege(r.oid, c.oid, 'select') and has_table_privilege(r.oid, c.oid, 'insert')
      and has_table_privilege(r.oid, c.oid, 'update') and has_table_privilege(r.oid, c.oid, 'delete')) end
  union all select from pg_proc f where pronamespace = s.oid and not has_function_privilege(r.oid, f.oid, 'execute')`

const standing = `
  select from pg_roles r, pg_namespace s
  where rolname = $1 and rolcanlogin and nspname = $2 and has_schema_privilege(r.oid, s.oid, 'usage') and not exists (${wrong})`

async function logsIn(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 })
  client.on('error', () => undefined) // a server that goes away: whoever asks has a connection of its own, and is told there
  try {
    await client.connect()
    return true
  } catch {
    return false // why not is told where it is still so after its password was set
  } finally {
    await client.end()
  }
}

/**
 * Whether nothing is to be granted any more. It only reads: a start on a database that is as it should be needs no room on the server's
 * disk. `owner`: a connection of the schema's owner, whose address is `ownerUrl`.
 */
export async function stands(owner: pg.Client, ownerUrl: string, { schema, role, password, onlyReads }: Standing): Promise<boolean> {
  const { rowCount } = await owner.query(standing, [role, schema, onlyReads])
  return rowCount === 1 && (password === undefined || (await logsIn(asRole(ownerUrl, role, password))))
}
