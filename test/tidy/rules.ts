/**
 * What a machine can hold a text to beyond the linter. Each rule: which files, what it must not hold (or be), and what
 * to do instead. Functions over 70 lines, `any`, `.only` and floating promises are Biome's (biome.json).
 */
export interface Rule {
  readonly name: string
  readonly of: RegExp
  /** Lines (from 1) that break the rule; 0 stands for the file as a whole. */
  readonly breaks: (text: string, path: string) => readonly number[]
  readonly instead: string
}

const CODE = /\.(ts|mjs|js|sql|sh|proto|yaml)$/
const TYPESCRIPT = /\.(ts|mjs)$/
const TEST = /\.test\.ts$/
const WHOLE = [0]

const lines = (pattern: RegExp) => (text: string) => text.split('\n').flatMap((line, index) => (pattern.test(line) ? [index + 1] : []))

/** Line numbers where a pattern stands and no comment on that line or the one before says why. */
const unexplained = (pattern: RegExp) => (text: string) => {
  const all = text.split('\n')
  const explained = (index: number) => `${all[index - 1] ?? ''}\n${all[index]}`.includes('// ')
  return lines(pattern)(text).filter((line) => !explained(line - 1))
}

export const rules: readonly Rule[] = [
  {
    name: 'no file over 400 lines',
    of: /\.(ts|mjs|sql|sh)$/,
    breaks: (text) => (text.trimEnd().split('\n').length > 400 ? WHOLE : []),
    instead: 'find the concept that is missing and give it a file',
  },
  {
    name: 'no vague names',
    of: /./,
    breaks: (_, path) =>
      /(^|\/)(utils?|helpers?|commons?|misc|shared|libs?)(\/|\.[a-z]+$)/.test(path) && !/shared\.(test\.)?ts$/.test(path) ? WHOLE : [],
    instead: 'name what is inside',
  },
  {
    name: 'kebab-case file names',
    of: /^(packages|services|scripts|test)\/.*\.(ts|mjs|sql)$/,
    breaks: (_, path) => (/^[a-z0-9]+([-.][a-z0-9]+)*$/.test(path.split('/').at(-1) ?? '') ? [] : WHOLE),
    instead: 'kebab-case nouns',
  },
  {
    name: 'nothing left for later',
    of: CODE,
    breaks: lines(/\b(TODO|FIXME|XXX|HACK)\b|not implemented/i),
    instead: 'do it, or file an issue',
  },
  {
    name: 'no test left out or alone',
    of: TEST,
    breaks: lines(/\b(test|it|describe|suite)(\.\w+)*\.(only|skip|todo|fails|skipIf|runIf)\b/),
    instead: 'needs({ also: sharedMissing(...) }) of @rondo/testkit, or context.skip(reason), says what is missing and how to get it',
  },
  {
    name: 'no sleeping in tests',
    of: TEST,
    breaks: lines(/setTimeout\(\s*(r|res|resolve|done|ok)\b|timers\/promises|\bsleep\(|waitForTimeout/),
    instead: 'eventually(...) of @rondo/testkit waits for what is expected',
  },
  {
    name: 'no temporary folder that outlives its process',
    of: /^(test\/|packages\/.*(\.test|\/rig)\.ts$|services\/.*\.test\.ts$)/,
    breaks: lines(/mkdtemp(Sync)?\(join\(tmpdir\(\)/),
    instead: 'temporaryFolder(name) of @rondo/testkit, which is removed however the process ends',
  },
  {
    name: 'no cast through unknown',
    of: TYPESCRIPT,
    breaks: lines(/\bas unknown as\b/),
    instead: 'parse it with a schema, or type the seam',
  },
  {
    name: 'no swallowed errors',
    of: TYPESCRIPT,
    breaks: unexplained(/catch\s*(\([^)]*\))?\s*\{\s*\}|\.catch\(\s*\(\w*\)\s*=>\s*(\{\s*\}|undefined|null)\s*\)/),
    instead: 'handle it, pass it on, or log it; say why in a comment where nothing is to be done',
  },
  {
    name: 'no function written where it is assigned to a property',
    of: /^(packages|services)\/[^/]+\/src\/.*(?<!\.test)\.ts$/,
    breaks: lines(/^(?!\s*(const|let)\b).*\.#?\w+ (\?\?)?= (async )?(function\b|(\(.*\)|\w+) =>)/),
    instead: 'name it first: V8 puts one that stands there into the old generation, and all that it holds lives as long (ADR 31)',
  },
  {
    name: 'no listener that stays on a signal',
    of: /^(packages|services)\/[^/]+\/src\/.*(?<!\.test)\.ts$/,
    breaks: (text) => [
      ...(/removeEventListener\(/.test(text) ? [] : lines(/\.addEventListener\(/)(text)),
      ...lines(/^\s*(void )?onAbort\(/)(text),
    ],
    instead: 'take it back when the wait is over, as `onAbort` and `unlessAborted` of @rondo/runtime do: a signal keeps what listens to it',
  },
]

/** A licence that Rondo's users could not live with, in whatever spelling it is declared. */
export function refusedLicence(licence: string): boolean {
  return /\bA-?GPL|Affero|SSPL|Server Side Public|\bBUSL|Business Source|Elastic-|Commons Clause/i.test(licence)
}

/** Everything a text breaks, as `path:line rule: what to do instead`. */
export function broken(path: string, text: string): string[] {
  return rules
    .filter((rule) => rule.of.test(path))
    .flatMap((rule) => rule.breaks(text, path).map((line) => `${path}:${line} ${rule.name}: ${rule.instead}`))
}
