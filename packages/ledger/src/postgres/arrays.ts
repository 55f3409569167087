/*
 * Columns as PostgreSQL's binary arrays: nothing has to be quoted here, and nothing unquoted, parsed or named there. The driver sends
 * a Buffer as it is, in binary.
 */

const oids = { int: 23, text: 25, jsonb: 3802 } as const
const noNull = 0
const someNull = 1
/** Number of dimensions, whether there are nulls, the type of the elements, length, first index: four bytes each. */
const headerBytes = 20

function header(bytes: Buffer, type: keyof typeof oids, length: number, nulls: number): void {
  bytes.writeInt32BE(length === 0 ? 0 : 1, 0)
  bytes.writeInt32BE(nulls, 4)
  bytes.writeInt32BE(oids[type], 8)
  if (length === 0) return
  bytes.writeInt32BE(length, 12)
  bytes.writeInt32BE(1, 16)
}

function emptyOf(type: keyof typeof oids): Buffer {
  const bytes = Buffer.alloc(12)
  header(bytes, type, 0, noNull)
  return bytes
}
/** Most columns of most statements: made once, as a buffer of its own costs more than what it holds. */
const empty = { int: emptyOf('int'), text: emptyOf('text'), jsonb: emptyOf('jsonb') } as const

/** `int[]` */
export function ints(values: readonly number[]): Buffer {
  if (values.length === 0) return empty.int
  const bytes = Buffer.allocUnsafe(headerBytes + 8 * values.length)
  header(bytes, 'int', values.length, noNull)
  values.forEach((value, n) => {
    bytes.writeInt32BE(4, headerBytes + 8 * n)
    bytes.writeInt32BE(value, headerBytes + 8 * n + 4)
  })
  return bytes
}

/** `text[]`; undefined: null. */
export const texts = (values: readonly (string | undefined)[]): Buffer => varying('text', values)

/** `jsonb[]`, of JSON texts. */
export const jsons = (values: readonly string[]): Buffer => varying('jsonb', values)

/** Version of the binary format of jsonb. */
const jsonbVersion = 1

/** Columns are put together here: how long a text is in bytes is known when it is written, so that it need not be gone through for that first. */
let scratch: Buffer = Buffer.allocUnsafe(64 << 10)
/** A larger one, of large documents, is not kept. */
const mostKept = 1 << 20

/** The same bytes with room for so many in all. */
function roomier(bytes: Buffer, used: number, least: number): Buffer {
  const larger = Buffer.allocUnsafe(Math.max(least, 2 * bytes.length))
  bytes.copy(larger, 0, 0, used)
  if (larger.length <= mostKept) scratch = larger
  return larger
}

function varying(type: 'text' | 'jsonb', values: readonly (string | undefined)[]): Buffer {
  if (values.length === 0) return empty[type]
  const prefix = type === 'jsonb' ? 1 : 0
  let bytes: Buffer = scratch
  header(bytes, type, values.length, someNull)
  let end = headerBytes
  for (const value of values) {
    const begin = end + 4
    // No character takes more than three bytes for each of its units
    const most = begin + prefix + 3 * (value?.length ?? 0)
    if (most > bytes.length) bytes = roomier(bytes, end, most)
    if (value === undefined) {
      bytes.writeInt32BE(-1, end)
      end = begin
      continue
    }
    if (prefix) bytes[begin] = jsonbVersion
    const length = prefix + bytes.write(value, begin + prefix)
    bytes.writeInt32BE(length, end)
    end = begin + length
  }
  return Buffer.from(bytes.subarray(0, end))
}

/** The text of a `text[]`, for arrays of arrays, which all have to be of one length otherwise. */
export const arrayText = (values: readonly string[]): string =>
  values.length === 0 ? '{}' : `{${values.map((value) => `"${value.replace(/["\\]/g, '\\$&')}"`).join(',')}}`

type Parts = Readonly<Record<string, unknown>>
export const isSome = (parts: Parts): boolean => Object.values(parts).some((part) => part !== undefined)
/** JSON of those that are there; null: none is. */
export const someOf = (parts: Parts): string | null => (isSome(parts) ? JSON.stringify(parts) : null)
