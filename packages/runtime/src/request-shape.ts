import protobuf from 'protobufjs'
import { z } from 'zod'

/** What is inside of optional, nullable, default, readonly, lazy and piped schemas. */
function inner(schema: unknown): unknown {
  if (
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodNullable ||
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodReadonly
  ) {
    return inner(schema.unwrap())
  }
  if (schema instanceof z.ZodPipe) return inner(schema.in)
  if (schema instanceof z.ZodLazy) return inner(schema.unwrap())
  return schema
}

function element(schema: unknown, field: protobuf.Field): unknown {
  const found = inner(schema)
  if (field.map) return found instanceof z.ZodRecord ? inner(found.valueType) : found
  return field.repeated && found instanceof z.ZodArray ? inner(found.element) : found
}

function objectFaults(schema: z.ZodObject, type: protobuf.Type, path: string, seen: ReadonlySet<protobuf.Type>): readonly string[] {
  const at = (name: string) => (path ? `${path}.${name}` : name)
  const strict = schema.def.catchall instanceof z.ZodNever ? [] : [`${path || type.name} lets unknown fields pass: make it a strictObject`]
  const extra = Object.keys(schema.shape).filter((name) => !type.fields[name])
  const known = new Set([...seen, type])
  const nested = type.fieldsArray.flatMap((field) => {
    const own: unknown = schema.shape[field.name]
    if (own === undefined) return [`${at(field.name)} stands in ${type.name} and not in the schema`]
    const { resolvedType } = field.resolve()
    if (!(resolvedType instanceof protobuf.Type) || known.has(resolvedType)) return []
    const part = element(own, field)
    return part instanceof z.ZodObject ? objectFaults(part, resolvedType, at(field.name), known) : []
  })
  return [...strict, ...extra.map((name) => `${at(name)} stands in the schema and not in ${type.name}`), ...nested]
}

/**
 * Where the schema of a request and the proto's message have other fields than each other, both ways, however deep.
 * The compiler holds types together; this holds fields together that are optional or that the compiler cannot see.
 */
export function requestFaults(schema: z.ZodType, type: protobuf.Type): readonly string[] {
  const object = inner(schema)
  return object instanceof z.ZodObject ? objectFaults(object, type, '', new Set()) : []
}
