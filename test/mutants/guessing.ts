import type { Mutant } from './mutant.ts'

const ledger = 'packages/ledger/src'
const sql = 'packages/ledger/migrations/0011-known.sql'
const known = `${ledger}/known.int.test.ts`

/** What is decided without a load. */
export const guessing: readonly Mutant[] = [
  {
    name: 'what is known is bounded',
    file: `${ledger}/known.ts`,
    find: 'if (this.#heads.size > mostHeads) for',
    replace: 'if (this.#heads.size < 0) for',
    test: [`${ledger}/known.test.ts`, 'only the latest are kept'],
    simulated: false,
  },
  {
    name: 'nobody is told a repetition or a gap that was guessed',
    file: `${ledger}/known.ts`,
    find: "batch.outcomes.every(({ kind }) => kind === 'applied')",
    replace: 'true',
    test: [known, 'sees no gap where another process'],
  },
  {
    name: 'nobody is told what was guessed and is not written at all',
    file: `${ledger}/known.ts`,
    find: '!isEmpty(batch) && ',
    replace: '',
    test: [known, 'says that there is nothing to do only where'],
  },
  {
    name: 'streams that a guess looked at, and does not write, are compared',
    file: `${ledger}/known.ts`,
    find: 'read: [...read.values()]',
    replace: 'read: []',
    test: [known, 'says that there is nothing to do only where'],
  },
  {
    name: 'an ask that is not loaded comes after all that its stream has seen',
    file: `${ledger}/known.ts`,
    find: 'head.lastAt >= now',
    replace: 'head.lastAt === now',
    test: [known, 'has an ask come after all'],
  },
  {
    name: 'a state of a lower fold is not known by the present one',
    file: `${ledger}/known.ts`,
    find: '?.fold === row.fold)',
    replace: '?.fold !== undefined)',
    test: [`${ledger}/known.test.ts`, 'of a lower fold'],
  },
  {
    name: 'what was guessed wrongly is not guessed again at once',
    file: `${ledger}/trust.ts`,
    find: '?? this.#atFirst) + 1) : 0)',
    replace: '?? this.#atFirst) + 1) : most)',
    test: [known, 'not guessed again at once'],
  },
  {
    name: 'where the plan has grown a guess is decided again',
    file: `${ledger}/commit.ts`,
    find: "return { refused: unavailable('the partition plan was changed at this moment', error) }",
    replace: "throw unavailable('the partition plan was changed at this moment', error)",
    test: [known, 'decided again by the larger'],
  },
  {
    name: 'a state that a rebuild put right is not known any more',
    file: `${ledger}/postgres/rebuild.ts`,
    find: "which === 'any fold' ? 'update head set repaired = repaired + 1' : ",
    replace: '',
    test: [known, 'where a rebuild has put a state right'],
    simulated: false,
  },
  {
    name: 'SQL: streams that a guess looked at are as they were',
    file: sql,
    find: 'where coalesce(stream.version, 0) <> mine.version or stream.fold > mine.fold;',
    replace: 'where false;',
    test: [known, 'says that there is nothing to do only where'],
    simulated: false,
  },
  {
    name: 'SQL: what a guess rests on lies in this very ledger',
    file: sql,
    find: 'and not exists (select from event where event.position = mine.position and event.recorded_at = mine."recordedAt")',
    replace: 'and false',
    test: [known, 'is nothing after an older copy'],
    simulated: false,
  },
  {
    name: 'SQL: no state was put right since it was known',
    file: sql,
    find: 'mine.repaired <> before.repaired',
    replace: 'false',
    test: [known, 'where a rebuild has put a state right'],
    simulated: false,
  },
  {
    name: 'SQL: the time that was guessed is the time',
    file: sql,
    find: "if not (derived->'guess'->>'now' between instant(clock_timestamp() - interval '1 second') and now_at) then",
    replace: 'if false then',
    test: [known, 'has the time of the ledger'],
    simulated: false,
  },
]
