import type { Mutant } from './mutant.ts'

const ledger = 'packages/ledger/src'
const kept = 'packages/ledger/migrations/0021-kept-plans.sql'
const runtime = 'packages/runtime/src'

/** Where the database goes back under running processes: a restore, a failover to a copy that lags. */
export const goingBack: readonly Mutant[] = [
  {
    name: 'a position is marked where the very event lies there that was sent',
    file: kept,
    find: 'event_id = (select event.id',
    replace: 'event_id is not distinct from (select event_id',
    test: [`${ledger}/witness.int.test.ts`, 'before it was marked what had been sent'],
    simulated: false,
  },
  {
    name: 'what was sent is looked for as the ledger stands when it is marked',
    file: kept,
    find: ' for key share)',
    replace: ')',
    test: [`${ledger}/witness.int.test.ts`, 'while it was marked what had been sent'],
    simulated: false,
  },
  {
    name: 'more is sent only once what was sent before is marked, or behind that',
    file: `${ledger}/relay.ts`,
    find: 'if (!own) await this.#settled()\n',
    replace: '',
    test: [`${ledger}/relays.test.ts`, 'behind something that is not marked yet'],
  },
  {
    name: 'behind what was sent, and is not marked, goes what was written behind that very event',
    file: `${ledger}/fresh.ts`,
    find: ' && one.behind === this.#sent.recordedAt',
    replace: '',
    test: [`${ledger}/relays.test.ts`, 'who has sent what is not marked yet'],
  },
  {
    name: 'once a mark was refused no later one says that all is well',
    file: `${ledger}/relay.ts`,
    find: '      this.#unmarked = undefined\n      this.#askAt',
    replace: '      this.#askAt',
    test: [`${ledger}/relays.test.ts`, 'once a mark was refused'],
    simulated: false,
  },
  {
    name: 'what waits is sent behind the very event that it was written behind',
    file: `${ledger}/fresh.ts`,
    find: 'last ? one.behind === last.event.recordedAt : ',
    replace: 'last !== undefined || ',
    test: [`${ledger}/fresh.test.ts`, 'of what waits nothing is taken that was written behind'],
    simulated: false,
  },
  {
    name: 'a relay that runs sends nothing of a ledger that went back',
    file: `${ledger}/relay.ts`,
    find: ' || next.marked < from) return',
    replace: ') return',
    test: [`${ledger}/witness.int.test.ts`, 'that runs sends nothing of an older copy'],
  },
  {
    name: 'what a process has written is sent as it was written only where the ledger knows what was sent',
    file: `${ledger}/fresh.ts`,
    find: ' || !known || one.marked < known.marked) break',
    replace: ') break',
    test: [`${ledger}/fresh.test.ts`, 'nothing counts that was written before the ledger was asked last'],
  },
  {
    name: 'under a position that was heard of before nothing is sent as it was written',
    file: `${ledger}/commits.ts`,
    find: 'if (position <= this.#position) return\n    this.#position = position',
    replace: 'this.#position = position',
    test: [`${ledger}/relays.test.ts`, 'took its place row by row'],
  },
  {
    name: 'what was recorded since an older copy was restored is of the new epoch',
    file: `${ledger}/witness.ts`,
    find: ', known.at(-1)?.recordedAt)',
    replace: ')',
    test: [`${ledger}/witness.int.test.ts`, 'that runs sends nothing of an older copy'],
  },
  {
    name: 'what lies at the mark of the bus is compared',
    file: `${ledger}/witness.ts`,
    find: 'if (mark.epoch === ledger.epoch) await',
    replace: 'if (mark.epoch < 0) await',
    test: [`${ledger}/witness.int.test.ts`, 'tells an older copy that has grown'],
  },
  {
    name: 'of the records at the end of a partition the newest counts, not the last',
    file: `${ledger}/witness.ts`,
    find: 'export const lookedBack = 100',
    replace: 'export const lookedBack = 1',
    test: [`${ledger}/witness.int.test.ts`, 'although a request that was done late'],
  },
  {
    name: 'who stands by looks whether the ledger went back',
    file: `${ledger}/relay.ts`,
    find: ' || head < this.#head) {',
    replace: ') {',
    test: [`${ledger}/witness.int.test.ts`, 'that stands by notices'],
  },
  {
    name: 'a new epoch begins where the database knows what is known here',
    file: `${runtime}/consumer-partition.ts`,
    find: 'if (known !== stored) throw',
    replace: 'if (known < 0) throw',
    test: [`${runtime}/consumer.int.test.ts`, 'before those of a new epoch'],
  },
  {
    name: 'a reader looks whether its database went back',
    file: `${runtime}/consumer.ts`,
    find: '?? 0) < known.position ? [known] : []',
    replace: '?? 0) < 0 ? [known] : []',
    test: [`${runtime}/consumer.int.test.ts`, 'although nothing new comes'],
  },
]
