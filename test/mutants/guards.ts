import { consuming } from './consuming.ts'
import { goingBack } from './going-back.ts'
import { guessing } from './guessing.ts'
import { lettingIn } from './letting-in.ts'
import type { Mutant } from './mutant.ts'
import { reading } from './reading.ts'
import { statements } from './statements.ts'

const ledger = 'packages/ledger/src'
const runtime = 'packages/runtime/src'
const store = `${ledger}/store.int.test.ts`

/** Writing a batch. */
const writing: readonly Mutant[] = [
  {
    name: 'the message id is looked up before a unit is decided',
    file: `${ledger}/batch.ts`,
    find: 'unit.remember ? this.#seen(unit) : undefined',
    replace: 'undefined',
  },
  {
    name: 'the message id is seen in the same batch',
    file: `${ledger}/batch.ts`,
    find: 'this.messages.get(unit.id) ?? this.loaded.messages.get(unit.id)',
    replace: 'this.loaded.messages.get(unit.id)',
  },
  {
    name: 'the hash of a message id is compared',
    file: `${ledger}/batch.ts`,
    find: 'before.hash === unit.hash',
    replace: 'true',
    test: [store, 'knows a message by its id and hash'],
  },
  {
    name: 'an accepted outcome is kept with its message id',
    file: `${ledger}/batch.ts`,
    find: '    if (unit.remember) {',
    replace: '    if (unit.id === "") {',
  },
  {
    name: 'a record at or before the checkpoint is applied already',
    file: `${ledger}/batch.ts`,
    find: 'if (stored !== undefined && checkpoint.position <= stored) return true',
    replace: '',
    test: [store, 'moves a checkpoint with the unit'],
  },
  {
    name: 'a record ahead of the checkpoint is a gap',
    file: `${ledger}/batch.ts`,
    find: 'if (stored === undefined ? checkpoint.previous > 0 : checkpoint.previous !== stored) {',
    replace: 'if (stored === -5) {',
    test: [store, 'moves a checkpoint with the unit'],
  },
  {
    name: 'the checkpoint moves in the transaction of its unit',
    file: `${ledger}/batch.ts`,
    find: '    if (checkpoint) this.checkpoints.set(chainOf(checkpoint), checkpoint)\n',
    replace: '',
  },
  {
    name: 'what follows a unit that was put off waits for it',
    file: `${ledger}/batch.ts`,
    find: "chain !== undefined && this.held.has(chain) ? ({ kind: 'later' } as const) : this.#decide(work)",
    replace: 'this.#decide(work)',
    test: [store, 'takes along what follows it'],
  },
  {
    name: 'a unique key taken twice in a batch is seen in memory',
    file: `${ledger}/batch.ts`,
    find: "    if (lostKey) return { kind: 'later', lostKey }\n",
    replace: '',
    test: [store, 'a unique key is held once'],
  },
  {
    name: 'a timer fires only while the state derives it',
    file: `${ledger}/batch.ts`,
    find: "if (timer && !this.#isDue(timer)) return { kind: 'duplicate', results: [] }",
    replace: '',
    test: [`${ledger}/timers.test.ts`, 'taken back after it was found due'],
  },
  {
    name: 'who loses a stream is decided again',
    file: `${ledger}/losers.ts`,
    find: 'unit.messages.some(({ stream, id }) => streams.has(keyOf(stream.name, id))) ||',
    replace: '',
  },
  {
    name: 'who follows a loser in its partition is decided again',
    file: `${ledger}/losers.ts`,
    find: '    if (chain !== undefined) chains.add(chain)\n',
    replace: '',
    test: [store, 'takes along what follows it'],
  },
  {
    name: 'who follows the loser of a unique key is not refused in its place',
    file: `${ledger}/losers.ts`,
    find: 'key && !claimants.has(key) ? key : undefined',
    replace: 'key',
    test: [store, 'who follows the loser of a unique key'],
  },
  {
    name: 'what is larger than its topic takes is refused before it is recorded',
    file: `${ledger}/decision.ts`,
    find: '    if (rules.record) refuseLarger(traced, text, rules.record)\n',
    replace: '',
    test: [`${runtime}/record-bound.test.ts`, 'what is recorded can be sent'],
  },
  {
    name: 'after a lost reply it is looked up whether the batch was written',
    file: `${ledger}/commit.ts`,
    find: 'const written = await lookUp(database, batch, error)',
    replace: 'const written = undefined as Written | undefined',
    test: [`${ledger}/commit.int.test.ts`, 'a lost reply to COMMIT'],
  },
  {
    name: 'nobody is told that a batch was written whose reply was lost',
    file: `${ledger}/commit.ts`,
    find: 'return written && { written, at: 0 }',
    replace: "return { written: written ?? { position: 0, recordedAt: '' }, at: 0 }",
  },
  {
    name: 'a batch that cannot be written is halved until the culprit stands alone',
    file: `${ledger}/writer.ts`,
    find: 'if (works.length === 1 && alone)',
    replace: 'if (alone)',
    test: [`${ledger}/ledger.int.test.ts`, 'one bad row in a batch of 500'],
  },
  {
    name: 'the unit that failed a batch is named by who fails alone',
    file: `${ledger}/writer.ts`,
    find: 'for (const [work, key] of losers) lost.set(work, key)',
    replace: '',
  },
]

/** From the ledger to the bus. */
const relaying: readonly Mutant[] = [
  {
    name: 'the relay stops at the first failed send',
    file: `${ledger}/relay.ts`,
    find: '.map((chained) => this.#encoded(chained)),\n    )',
    replace: '.map((chained) => this.#encoded(chained)),\n    ).catch((error: unknown) => void error)',
  },
  {
    name: 'one batch of the relay is in flight',
    file: `${ledger}/relay.ts`,
    find: 'await bus.send(',
    replace: 'void bus.send(',
  },
  {
    name: 'a position is marked as sent after it was sent',
    file: `${ledger}/relay.ts`,
    find: 'await bus.send(',
    replace: 'this.#unmarked = { from, to: last }\n    this.#marking ??= this.#markSent()\n    await bus.send(',
  },
  {
    name: 'others are woken all the same where nothing can be sent',
    file: `${ledger}/commits.ts`,
    find: 'tells(position)) this.#wakeAfter(tellMs)',
    replace: 'tells(position)) this.#wakeAfter(1e9)',
    test: [`${ledger}/idle.test.ts`, 'others are woken all the same'],
    simulated: false,
  },
  {
    name: 'the relay goes on where the store says after a failure',
    file: `${ledger}/relay.ts`,
    find: 'this.#position = sent\n    this.#fresh',
    replace: 'this.#position ??= sent + 1\n    this.#fresh',
  },
  {
    name: 'a bus that is ahead of the ledger is noticed',
    file: `${ledger}/witness.ts`,
    find: 'mark.position <= ledger.position)) return',
    replace: 'mark.position >= 0)) return',
    test: [`${ledger}/witness.int.test.ts`, 'stops where the bus knows more'],
  },
  {
    name: 'the epoch of a record is the ledger’s',
    file: `${ledger}/relay.ts`,
    find: 'const epoch = epochOf(this.#seen.raised, event.position)\n    return',
    replace: 'const epoch = 1\n    return',
    test: [`${ledger}/witness.int.test.ts`, 'stops where the bus knows more'],
  },
  {
    name: 'what an older copy shares with the bus is not sent again',
    file: `${ledger}/relay.ts`,
    find: 'batch.filter(({ event }) => !isShared(event, this.#ledger.epoch, this.#seen))',
    replace: 'batch',
    test: [`${ledger}/witness.int.test.ts`, 'sends what an older copy shares'],
  },
  {
    name: 'a new epoch is above all that the bus knows',
    file: `${ledger}/witness.ts`,
    find: 'Math.max(0, file?.epoch ?? 0, ...known.map(({ epoch }) => epoch))',
    replace: '0',
    test: [`${ledger}/witness.int.test.ts`, 'sends what an older copy shares'],
  },
  {
    name: 'what a process has written is sent as it was written only where nothing lies between',
    file: `${ledger}/fresh.ts`,
    find: 'if (isBehind && firstOf(one) === from + batch.length + 1) batch',
    replace: 'if (isBehind) batch',
    test: [`${ledger}/fresh.test.ts`, 'is not taken again, nor what does not go on there'],
  },
  {
    name: 'what a process has written is sent as it was written only under the same epoch',
    file: `${ledger}/fresh.ts`,
    find: 'one.epoch === epoch && one.incarnation',
    replace: 'one.incarnation',
    test: [`${ledger}/witness.int.test.ts`, 'sends nothing under an old epoch'],
  },
  {
    name: 'who does not hold the lease sends nothing behind what was not sent',
    file: `${ledger}/fresh.ts`,
    find: 'one.marked >= firstOf(one) - 1',
    replace: 'one.marked >= 0',
    test: [`${ledger}/fresh.test.ts`, 'was not sent in the end is given back'],
  },
  {
    name: 'what a process has written is sent as it was written only to the ledger that was compared',
    file: `${ledger}/fresh.ts`,
    find: ' && one.incarnation === incarnation',
    replace: '',
    test: [`${ledger}/relays.test.ts`, 'sends nothing of an older copy'],
  },
  {
    name: 'behind what could not be marked nothing is sent as it was written',
    file: `${ledger}/relay.ts`,
    find: '      this.#giveBack()\n      // No later mark',
    replace: '      // No later mark',
    test: [`${ledger}/relays.test.ts`, 'behind what could not be marked'],
  },
  {
    name: 'what could not be sent beside who has the lease is left to it',
    file: `${ledger}/fresh.ts`,
    find: '    if (!isAll) this.#end = undefined\n    return { next, isAll }',
    replace: '    return { next, isAll: true }',
    test: [`${ledger}/fresh.test.ts`, 'was not sent in the end is given back'],
    simulated: false,
  },
  {
    name: 'SQL: a ledger that is filled anew is another one',
    file: `${ledger}/postgres/connection.ts`,
    find: ` || '/' || pg_relation_filenode('head')`,
    replace: '',
    test: [`${ledger}/witness.int.test.ts`, 'sends nothing of an older copy either'],
    simulated: false,
  },
  {
    name: 'the first of a larger plan are read back, as they name its beginning',
    file: `${ledger}/append.ts`,
    find: 'if (batch.some(({ previous }) => previous <= before.planned)) return undefined',
    replace: '',
    test: [`${ledger}/relay.int.test.ts`, 'names the ends of the plan before'],
  },
  {
    name: 'what holds events waits for the disk',
    file: `${ledger}/append.ts`,
    find: 'streams.length + events.length + fired.length > 0 ||',
    replace: '',
    test: [`${ledger}/durable.test.ts`, 'waits for the disk'],
  },
  {
    name: 'what was not read from the bus waits for the disk',
    file: `${ledger}/append.ts`,
    find: '!checkpoint || beside',
    replace: 'beside',
    test: [`${ledger}/durable.test.ts`, 'waits for the disk'],
  },
  {
    name: 'a mark outside of the data folder is compared',
    file: `${ledger}/witness.ts`,
    find: 'if (file) refuseAhead(',
    replace: 'if (file === null) refuseAhead(',
    test: [`${ledger}/witness.int.test.ts`, 'keeps a mark outside'],
  },
]

export const mutants: readonly Mutant[] = [
  ...writing,
  ...guessing,
  ...statements,
  ...relaying,
  ...reading,
  ...consuming,
  ...goingBack,
  ...lettingIn,
]
