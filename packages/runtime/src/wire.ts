import { isUtf8 } from 'node:buffer'
import { DomainError } from '@rondo/kernel'
import protobuf from 'protobufjs'

/*
 * protobufjs skips fields that it does not know, keeps enum numbers that it does not know, and repairs broken text: all silently.
 * A caller who sends them means something. So the bytes are walked against the descriptor before they are decoded.
 */

const deepest = 64
const wireTypes: Readonly<Record<string, number>> = { ...protobuf.types.basic }

/** Counts, ids and flags that can stand in one packed field. */
const packable = (field: protobuf.Field) =>
  field.repeated && (field.resolvedType instanceof protobuf.Enum || field.type in protobuf.types.packed)

const at = (path: string, name: string) => (path ? `${path}.${name}` : name)

function invalid(path: string, message: string): never {
  throw new DomainError('invalid', path ? `${path}: ${message}` : message, { path })
}

function wireTypeOf(field: protobuf.FieldBase): number {
  if (field.resolvedType instanceof protobuf.Enum) return 0
  return field.resolvedType ? 2 : (wireTypes[field.type] ?? 2)
}

function checkEnum(type: protobuf.Enum, value: number, path: string) {
  if (type.valuesById[value] !== undefined) return
  invalid(path, `${value} is no value of ${type.name}; it has ${Object.keys(type.values).join(', ')}`)
}

/** Whether it is short and plain, as most is: then it need not be cut out to be looked at. */
function isPlain(bytes: Uint8Array, begin: number, end: number): boolean {
  if (end - begin > 64) return false
  for (let at = begin; at < end; at++) {
    const byte = bytes[at] ?? 0
    if (byte === 0 || byte > 127) return false
  }
  return true
}

function checkText(reader: protobuf.Reader, path: string) {
  const length = reader.uint32()
  const begin = reader.pos
  if (length > reader.len - begin) throw new RangeError('a text longer than the message')
  reader.pos += length
  if (isPlain(reader.buf, begin, reader.pos)) return
  const bytes = reader.buf.subarray(begin, reader.pos)
  if (!isUtf8(bytes)) invalid(path, 'the text is not UTF-8')
  if (bytes.includes(0)) invalid(path, 'the text contains NUL (U+0000), which cannot be stored')
}

function checkPacked(reader: protobuf.Reader, field: protobuf.Field, path: string) {
  const end = reader.uint32() + reader.pos
  if (end > reader.len) throw new RangeError('a packed field longer than the message')
  while (reader.pos < end) {
    if (field.resolvedType instanceof protobuf.Enum) checkEnum(field.resolvedType, reader.int32(), path)
    else reader.skipType(wireTypeOf(field))
  }
}

/** A map's entry is a message of key 1 and value 2. */
function checkEntry(reader: protobuf.Reader, field: protobuf.MapField, path: string, depth: number) {
  const end = reader.uint32() + reader.pos
  if (end > reader.len) throw new RangeError('a map entry longer than the message')
  while (reader.pos < end) {
    const tag = reader.uint32()
    if (tag >>> 3 === 2) checkValue(reader, field, path, depth)
    else if (tag >>> 3 !== 1) invalid(path, `an entry has the unknown field number ${tag >>> 3}`)
    else if (field.keyType === 'string') checkText(reader, path)
    else reader.skipType(tag & 7)
  }
}

function checkValue(reader: protobuf.Reader, field: protobuf.FieldBase, path: string, depth: number) {
  const { resolvedType } = field
  if (resolvedType instanceof protobuf.Enum) checkEnum(resolvedType, reader.int32(), path)
  else if (resolvedType instanceof protobuf.Type) {
    const length = reader.uint32()
    checkMessage(reader, resolvedType, path, reader.pos + length, depth + 1)
  } else if (field.type === 'string') checkText(reader, path)
  else reader.skipType(wireTypeOf(field))
}

/** How many of the field came before. */
function counted(seen: Map<number, number>, id: number): number {
  const before = seen.get(id) ?? 0
  seen.set(id, before + 1)
  return before
}

function checkField(reader: protobuf.Reader, type: protobuf.Type, path: string, depth: number, seen: Map<number, number>) {
  const tag = reader.uint32()
  const field = type.fieldsById[tag >>> 3]
  if (!field) {
    const known = type.fieldsArray.map(({ name, id }) => `${name} (${id})`).join(', ')
    return invalid(path, `${type.name} has no field with the number ${tag >>> 3}; it has ${known || 'none'}`)
  }
  const here = at(path, field.repeated ? `${field.name}[${counted(seen, field.id)}]` : field.name)
  if (field instanceof protobuf.MapField) return checkEntry(reader, field, here, depth)
  if (packable(field) && (tag & 7) === 2) return checkPacked(reader, field, at(path, field.name))
  if ((tag & 7) !== wireTypeOf(field)) return invalid(here, `encoded as another type than ${field.type}`)
  checkValue(reader, field, here, depth)
}

function checkMessage(reader: protobuf.Reader, type: protobuf.Type, path: string, end: number, depth: number) {
  if (depth > deepest) invalid(path, `nested deeper than ${deepest} messages`)
  if (end > reader.len) throw new RangeError('a message longer than the one around it')
  const seen = new Map<number, number>()
  while (reader.pos < end) checkField(reader, type, path, depth, seen)
  if (reader.pos !== end) throw new RangeError('a field longer than its message')
}

/** Refuses (`invalid`, with the path) unknown fields and enum values, broken text and bytes that are no such message. */
export function checkWire(type: protobuf.Type, bytes: Uint8Array): void {
  try {
    checkMessage(protobuf.Reader.create(bytes), type, '', bytes.length, 0)
  } catch (error) {
    if (error instanceof DomainError) throw error
    throw new DomainError('invalid', `the bytes are no ${type.name}: cut off, or of another kind`, { path: '' })
  }
}
