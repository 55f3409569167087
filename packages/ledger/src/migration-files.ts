import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'

export interface Migration {
  /** Whose numbers: the ledger's own or the service's. */
  readonly owner: 'ledger' | 'service'
  readonly number: number
  readonly name: string
  readonly sql: string
  readonly checksum: string
}

export interface AppliedMigration {
  readonly owner: string
  readonly number: number
  readonly name: string
  readonly checksum: string
}

export class MigrationError extends Error {
  override readonly name = 'MigrationError'
}

export const ledgerMigrations = new URL('../migrations/', import.meta.url)

/** Numbered SQL files (`0001-name.sql`) of a folder, without gaps. */
export async function migrationFiles(folder: URL, owner: Migration['owner']): Promise<readonly Migration[]> {
  const base = folder.href.endsWith('/') ? folder : new URL(`${folder.href}/`)
  const names = (await readdir(base)).filter((name) => name.endsWith('.sql')).sort()
  return Promise.all(
    names.map(async (name, index) => {
      const number = Number(/^(\d{4})-/.exec(name)?.[1])
      if (number !== index + 1) throw new MigrationError(`${new URL(name, base)} must be number ${index + 1} (0001-name.sql, without gaps)`)
      const sql = await readFile(new URL(name, base), 'utf8')
      return { owner, number, name, sql, checksum: createHash('sha256').update(sql).digest('hex') }
    }),
  )
}

/** What is still to be applied; refuses a changed file and a database that is newer than the files. */
export function pending(service: string, files: readonly Migration[], applied: readonly AppliedMigration[]): readonly Migration[] {
  for (const row of applied) {
    const file = files.find(({ owner, number }) => owner === row.owner && number === row.number)
    if (!file) {
      const known = Math.max(0, ...files.filter(({ owner }) => owner === row.owner).map(({ number }) => number))
      throw new MigrationError(
        `the database of ${service} is at ${row.owner} migration ${row.number} (${row.name}) and this program knows only up to ${known}: start the newer version of Rondo`,
      )
    }
    if (file.checksum !== row.checksum) {
      throw new MigrationError(
        `${row.owner} migration ${row.number} (${row.name}) of ${service} was changed after it had been applied: restore the file and write a new one`,
      )
    }
  }
  return files.filter(({ owner, number }) => !applied.some((row) => row.owner === owner && row.number === number))
}
