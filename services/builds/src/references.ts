/** What a commit message or a merge request says about requirements and other commits. */
export interface References {
  /** Requirement ids that a trailer or a closing word names. */
  readonly implements: readonly string[]
  /** Requirement ids that are merely mentioned: they move nothing. */
  readonly mentions: readonly string[]
  /** Commit ids (7 to 64 hex digits) that it takes back. */
  readonly reverts: readonly string[]
  readonly picked_from: readonly string[]
}

const id = String.raw`REQ-[A-Za-z0-9](?:[\w.-]*\w)?`
/** An explicit `Implements:` may name an id of any form (an imported one): nobody writes that by chance. */
const anyId = String.raw`[A-Za-z][A-Za-z0-9]*-[A-Za-z0-9](?:[\w.-]*\w)?`
const closing = `(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?|implement(?:s|ed)?)`
const list = (one: string) => String.raw`(${one}(?:(?:\s*[,&+]\s*(?:and\s+)?|\s+and\s+|[^\S\n]+)${one})*)(?![\w-])`

/** Directly before the id; not the end of another word (`un-fixes`, `prefix`). */
const closed = new RegExp(String.raw`(?<![\w-])${closing}\s*:?\s+${list(id)}`, 'gi')
const trailer = new RegExp(String.raw`^(?:implements|closes|resolves)[^\S\n]*:[^\S\n]*${list(anyId)}[^\S\n]*$`, 'gim')
const mentioned = new RegExp(String.raw`(?<![\w-])${id}`, 'gi')
const ids = new RegExp(anyId, 'g')
const revert = /this reverts commits? ((?:[0-9a-f]{7,64}(?:\s*,\s*(?:and\s+)?|\s+and\s+)?)+)/gi
const pick = /\(cherry picked from commit ([0-9a-f]{7,64})\)/gi

/** A clause that denies what it says: the last words before the closing word, up to where the clause begins. */
const clauseBreak = /[.;:!?,()\n]|\b(?:but|and|then)\b/gi
const negation = /\b(?:not|never|no|without|cannot|neither|nor)\b|n['’]t\b/i
const negated = (before: string) => negation.test(before.split(clauseBreak).at(-1)?.split(/\s+/).slice(-5).join(' ') ?? '')

/** Quoted replies, code and comments (a template's hint) are talk about references, not references. */
const quoted = /<!--[\s\S]*?(?:-->|$)|```[\s\S]*?(?:```|$)|`[^`\n]*`|^[^\S\n]*>.*$/gm

/** `req-1a2b3c4d` as typed and `REQ-1A2B3C4D` as made are one id; any other is a person's own and stays as written. */
function canonical(text: string): string {
  const own = text.replace(/^req-/i, 'REQ-')
  return /^REQ-[0-9a-f]{8}$/i.test(own) ? own.toUpperCase() : own
}
const each = (text: string) => [...text.matchAll(ids)].map(([found]) => canonical(found))
const distinct = (items: readonly string[]) => [...new Set(items)].slice(0, 100)
const commits = (text: string) => [...text.matchAll(/[0-9a-f]{7,64}/gi)].map(([sha]) => sha.toLowerCase())

/**
 * A change implements a requirement when a trailer names it or a closing word stands directly before its id (lists included,
 * negations not); anything else is a mention. The subject that `git revert` quotes names what is taken back, so it closes nothing.
 */
export function references(message: string): References {
  const reverts = distinct([...message.matchAll(revert)].flatMap(([, list = '']) => commits(list)))
  const text = message.replace(quoted, '\n').replace(/^(?:Revert|Reapply) ".*"$/m, '\n')
  const named = [...text.matchAll(closed)].filter(({ index }) => !negated(text.slice(0, index))).flatMap(([, list = '']) => each(list))
  const trailers = [...text.matchAll(trailer)].flatMap(([, list = '']) => each(list))
  const implemented = distinct([...trailers, ...named])
  return {
    implements: implemented,
    mentions: distinct([...message.matchAll(mentioned)].map(([found]) => canonical(found)).filter((found) => !implemented.includes(found))),
    reverts,
    picked_from: distinct([...message.matchAll(pick)].map(([, sha = '']) => sha.toLowerCase())),
  }
}
