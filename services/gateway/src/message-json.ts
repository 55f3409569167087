import { refuse } from '@rondo/kernel'
import protobuf from 'protobufjs'

const integers = new Set(['int32', 'uint32', 'sint32', 'fixed32', 'sfixed32'])
const longs = new Set(['int64', 'uint64', 'sint64', 'fixed64', 'sfixed64'])

const wrong = (path: string, what: string, value: unknown): never =>
  refuse('invalid', `${path || 'the body'}: ${what} was expected, not ${JSON.stringify(value)?.slice(0, 60) ?? 'nothing'}`, { path })

function scalar(type: string, value: unknown, path: string): unknown {
  if (type === 'string') return typeof value === 'string' ? value : wrong(path, 'text', value)
  if (type === 'bool') return typeof value === 'boolean' ? value : wrong(path, 'true or false', value)
  if (type === 'bytes') return typeof value === 'string' ? Buffer.from(value, 'base64') : wrong(path, 'base64 text', value)
  if (longs.has(type))
    return /^-?\d{1,20}$/.test(String(value)) && (type.startsWith('s') || type.startsWith('i') || !String(value).startsWith('-'))
      ? String(value)
      : wrong(path, 'an integer (as text beyond 2^53)', value)
  if (typeof value !== 'number') return wrong(path, 'a number', value)
  if (integers.has(type) && (!Number.isInteger(value) || Math.abs(value) > 0xffff_ffff || (type.startsWith('u') && value < 0)))
    return wrong(path, 'a whole number of 32 bits', value)
  return value
}

function single(field: protobuf.Field, value: unknown, path: string): unknown {
  const type = field.resolve().resolvedType
  if (type instanceof protobuf.Type) return toMessage(type, value, path)
  if (!(type instanceof protobuf.Enum)) return scalar(field.type, value, path)
  const names = Object.keys(type.values)
  return typeof value === 'string' && names.includes(value) ? value : wrong(path, `one of ${names.join(', ')}`, value)
}

const entries = (value: unknown, path: string): readonly (readonly [string, unknown])[] =>
  value !== null && typeof value === 'object' && !Array.isArray(value) ? Object.entries(value) : wrong(path, 'an object', value)

function fieldValue(field: protobuf.Field, value: unknown, path: string): unknown {
  if (field instanceof protobuf.MapField)
    return Object.fromEntries(entries(value, path).map(([key, item]) => [key, single(field, item, `${path}.${key}`)]))
  if (!field.repeated) return single(field, value, path)
  return Array.isArray(value) ? value.map((item, index) => single(field, item, `${path}[${index}]`)) : wrong(path, 'a list', value)
}

/**
 * JSON as the proto's message. proto-loader drops unknown fields and enum values silently; here both are refused, with their path.
 * Names are the proto's or their lowerCamelCase, null is "not set" (the proto3 JSON mapping).
 */
export function toMessage(type: protobuf.Type, json: unknown, path = ''): Record<string, unknown> {
  const seen = new Set<protobuf.Field>()
  const message = entries(json, path).flatMap(([name, value]) => {
    const at = path ? `${path}.${name}` : name
    const field = type.fieldsArray.find((one) => one.name === name || protobuf.util.camelCase(one.name) === name)
    if (!field)
      return refuse(
        'invalid',
        `${at}: there is no such field; ${type.name} has ${type.fieldsArray.map((one) => one.name).join(', ') || 'none'}`,
        { path: at },
      )
    if (seen.has(field)) return refuse('invalid', `${at}: the field stands twice, under both of its names`, { path: at })
    seen.add(field)
    return value === null ? [] : [[field.name, fieldValue(field, value, at)] as const]
  })
  for (const { oneof } of type.oneofsArray) {
    const given = oneof.filter((name) => message.some(([set]) => set === name))
    if (given.length > 1)
      refuse('invalid', `${[path, given[1]].filter(Boolean).join('.')}: only one of ${oneof.join(', ')} can be set`, { path })
  }
  return Object.fromEntries(message)
}
