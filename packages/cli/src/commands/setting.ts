import { CliError } from '../exit.ts'

const isObject = (value: unknown): value is Record<string, unknown> => value !== null && typeof value === 'object'

/** What was written, as what stands there now: text stays text, though it may look like a number. */
function valueLike(known: unknown, text: string, path: string): unknown {
  if (typeof known === 'string' || known === undefined) return text
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === typeof known && Array.isArray(value) === Array.isArray(known)) return value
  } catch {
    // falls through to the sentence below, which says what would be right
  }
  const kind = Array.isArray(known) ? 'a JSON list' : typeof known === 'object' ? 'a JSON object' : `a ${typeof known}`
  throw new CliError('usage', `--set ${path}: ${kind} was expected, not "${text}"`)
}

const parts = (path: string): readonly string[] => path.split(/\.|\[(\d+)\]/).filter((part): part is string => Boolean(part))

/** What stands in `place` under a name; a name that is not there is an error, unless the sender may choose it. */
function entered(place: unknown, name: string, walked: string, path: string, open: boolean): Record<string, unknown> {
  if (!isObject(place)) throw new CliError('usage', `--set ${path}: ${walked} has no fields`)
  if (name in place || open) return place
  const there = Array.isArray(place) ? `entries 0 to ${place.length - 1}` : Object.keys(place).join(', ')
  throw new CliError('usage', `--set ${path}: there is no "${name}"${walked ? ` in ${walked}` : ''}; there are ${there}`, { path })
}

/**
 * `alerts[0].labels.service=shop`: the body with this one value changed. A path that is not there is an error, because an override
 * that is silently ignored is worse than none; the fields of an `open` object are the sender's choice.
 */
export function withSetting<Body extends object>(body: Body, setting: string, open: ReadonlySet<string>): Body {
  const at = setting.indexOf('=')
  if (at < 1) throw new CliError('usage', `--set "${setting}": path=value was expected`)
  const path = setting.slice(0, at)
  const names = parts(path)
  const copy = structuredClone(body)
  let place: unknown = copy
  for (const [index, name] of names.entries()) {
    const fields = entered(place, name, names.slice(0, index).join('.'), path, open.has(names[index - 1] ?? ''))
    if (index === names.length - 1) fields[name] = valueLike(fields[name], setting.slice(at + 1), path)
    place = fields[name]
  }
  return copy
}
