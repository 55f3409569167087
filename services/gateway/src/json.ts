import { DomainError, refuse } from '@rondo/kernel'
import { parse } from 'lossless-json'

const maxDepth = 200

/** Stands where the parser met something that JSON allows and we do not, until the walk has found its path. */
class Defect {
  readonly what: string
  constructor(what: string) {
    this.what = what
  }
}

function number(text: string): number | Defect {
  const value = Number(text)
  if (!Number.isFinite(value)) return new Defect(`the number ${text.slice(0, 40)} is out of range`)
  const integer = /^-?\d+$/.test(text)
  return integer && !Number.isSafeInteger(value)
    ? new Defect(`the integer ${text.slice(0, 40)} is beyond 2^53 and would lose digits: send it as a string`)
    : value
}

/** Nesting and members, counted without recursion, before a recursive parser sees the text. */
function shapeOf(text: string): { readonly deepest: number; readonly members: number } {
  let deepest = 0
  let members = 0
  let level = 0
  let quoted = false
  for (let at = 0; at < text.length; at++) {
    const char = text[at]
    if (quoted) {
      if (char === '\\') at++
      else if (char === '"') quoted = false
    } else if (char === '"') quoted = true
    else if (char === '{' || char === '[') deepest = Math.max(deepest, ++level)
    else if (char === '}' || char === ']') level--
    else if (char === ':') members++
  }
  return { deepest, members }
}

const membersOf = (value: unknown): number =>
  value === null || typeof value !== 'object' || value instanceof Defect
    ? 0
    : Object.values(value).reduce<number>((sum, item) => sum + membersOf(item), Array.isArray(value) ? 0 : Object.keys(value).length)

function defectOf(text: string): string | undefined {
  if (text.includes('\0')) return 'the text holds a NUL character'
  return text.isWellFormed() ? undefined : 'the text holds a lone surrogate, which is no character'
}

function* defects(value: unknown, path: string): Generator<{ path: string; what: string }> {
  if (value instanceof Defect) yield { path, what: value.what }
  else if (typeof value === 'string') {
    const what = defectOf(value)
    if (what) yield { path, what }
  } else if (Array.isArray(value)) for (const [index, item] of value.entries()) yield* defects(item, `${path}[${index}]`)
  else if (value && typeof value === 'object')
    for (const [key, item] of Object.entries(value)) {
      const what = defectOf(key)
      if (what) yield { path, what: `a field's name: ${what}` }
      yield* defects(item, path ? `${path}.${key}` : key)
    }
}

/** UTF-8 bytes of a body as text; refuses what is no UTF-8. */
export function text(body: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body)
  } catch (error) {
    throw new DomainError('invalid', 'the body is not UTF-8 text', { cause: String(error) })
  }
}

/**
 * JSON as strictly as the ledger needs it: what could fail later (duplicate keys, NUL, lone surrogates, integers beyond 2^53,
 * nesting over 200) is refused here, with its path.
 */
export function parseJson(body: Uint8Array): unknown {
  const source = text(body)
  const { deepest, members } = shapeOf(source)
  if (deepest > maxDepth) refuse('invalid', `the JSON is nested deeper than ${maxDepth} levels`)
  if (/"__proto__"\s*:/.test(source)) refuse('invalid', 'a field is named __proto__, which is not allowed')
  const value = parsed(source)
  const [first] = defects(value, '')
  if (first) refuse('invalid', first.path ? `${first.path}: ${first.what}` : first.what, { path: first.path })
  // The parser lets a repeated name pass where both values are equal
  if (membersOf(value) !== members) refuse('invalid', 'a field stands twice in one object (with the same value): send it once')
  return value
}

function parsed(source: string): unknown {
  if (source.trim() === '') refuse('invalid', 'the body is empty; JSON was expected')
  try {
    return parse(source, null, { parseNumber: number, onDuplicateKey: ({ key }) => new Defect(`the field "${key}" stands twice`) })
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    throw new DomainError('invalid', `the body is not JSON: ${error.message}`)
  }
}
