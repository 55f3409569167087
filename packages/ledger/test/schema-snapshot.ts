import pg from 'pg'

const queries = {
  columns: `select format('%s.%s %s%s%s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), case when a.attnotnull then ' not null' else '' end,
      coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '')) as line
    from pg_class c join pg_attribute a on a.attrelid = c.oid left join pg_attrdef d on (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
    where c.relnamespace = $1::regnamespace and c.relkind in ('r', 'p') and not c.relispartition and a.attnum > 0 and not a.attisdropped`,
  partitions: `select format('%s %s', c.relname, pg_get_expr(c.relpartbound, c.oid)) as line from pg_class c
    where c.relnamespace = $1::regnamespace and c.relispartition and c.relkind = 'r'`,
  // not-null constraints are catalogued from version 18 on; the columns tell them in both
  constraints: `select format('%s %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) as line from pg_constraint
    where connamespace = $1::regnamespace and contype <> 'n' and conparentid = 0`,
  indexes: `select pg_get_indexdef(i.indexrelid) as line from pg_index i join pg_class c on c.oid = i.indexrelid
    where c.relnamespace = $1::regnamespace and not c.relispartition`,
  functions: `select format('%s(%s) %s', proname, pg_get_function_identity_arguments(oid), md5(prosrc)) as line from pg_proc where pronamespace = $1::regnamespace`,
  grants: `select format('%s %s', c.relname, string_agg(privilege_type, ' ' order by privilege_type)) as line
    from pg_class c cross join aclexplode(c.relacl) join pg_roles r on r.oid = grantee
    where c.relnamespace = $1::regnamespace and r.rolname like 'rondo\\_%' and c.relkind in ('r', 'p') group by c.relname`,
}

/** What stands in a schema, as text that is the same on every version of PostgreSQL. */
export async function snapshotOf(url: string, schema: string): Promise<string> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(`set search_path = ${schema}`)
    const parts: string[] = []
    for (const [name, text] of Object.entries(queries)) {
      const { rows } = await client.query<{ line: string }>(text, [schema])
      parts.push(
        `${name}\n${rows
          .map(({ line }) => `  ${line.replaceAll(`${schema}.`, '')}`)
          .sort()
          .join('\n')}\n`,
      )
    }
    return parts.join('\n')
  } finally {
    await client.end()
  }
}
