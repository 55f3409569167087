import { goingBack } from './going-back.ts'
import type { Mutant } from './mutant.ts'
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
    test: [store, 'a timer that is no longer derived'],
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
    find: '    if (rules.record) refuseLarger(event, text, rules.record)\n',
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
    find: 'return written && { written }',
    replace: "return { written: written ?? { position: 0, recordedAt: '' } }",
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
    find: '.map((chained) => this.#encoded(chained)),\n      )',
    replace: '.map((chained) => this.#encoded(chained)),\n      ).catch((error: unknown) => void error)',
  },
  {
    name: 'one batch of the relay is in flight',
    file: `${ledger}/relay.ts`,
    find: 'await this.#options.bus.send(',
    replace: 'void this.#options.bus.send(',
  },
  {
    name: 'a position is marked as sent after it was sent',
    file: `${ledger}/relay.ts`,
    find: 'const kept = await database.store.markSent(topic, this.#holder, { from, to: last.position }, leaseSeconds)',
    replace: 'const kept = await database.store.markSent(topic, this.#holder, { from, to: last.position + 1 }, leaseSeconds)',
  },
  {
    name: 'the relay goes on where the store says after a failure',
    file: `${ledger}/relay.ts`,
    find: 'this.#position = position\n    this.#heldAt',
    replace: 'this.#position ??= position + 1\n    this.#heldAt',
  },
  {
    name: 'a bus that is ahead of the ledger is noticed',
    file: `${ledger}/relay.ts`,
    find: 'mark.position <= ledger.position)) return',
    replace: 'mark.position >= 0)) return',
    test: [`${ledger}/relay.int.test.ts`, 'stops where the bus knows more'],
  },
  {
    name: 'the epoch of a record is the ledger’s',
    file: `${ledger}/relay.ts`,
    find: 'const epoch = epochOf(this.#raised, event.position)\n    return',
    replace: 'const epoch = 1\n    return',
    test: [`${ledger}/relay.int.test.ts`, 'stops where the bus knows more'],
  },
  {
    name: 'what an older copy shares with the bus is not sent again',
    file: `${ledger}/relay.ts`,
    find: 'batch.filter(({ event }) => !this.#isShared(event))',
    replace: 'batch',
    test: [`${ledger}/relay.int.test.ts`, 'sends what an older copy shares'],
  },
  {
    name: 'a new epoch is above all that the bus knows',
    file: `${ledger}/relay.ts`,
    find: 'Math.max(0, file?.epoch ?? 0, ...known.map(({ epoch }) => epoch))',
    replace: '0',
    test: [`${ledger}/relay.int.test.ts`, 'sends what an older copy shares'],
  },
  {
    name: 'a mark outside of the data folder is compared',
    file: `${ledger}/relay.ts`,
    find: 'if (file) refuseAhead(',
    replace: 'if (file === null) refuseAhead(',
    test: [`${ledger}/relay.int.test.ts`, 'keeps a mark outside'],
  },
]

/** From the bus to another ledger; timers. */
const consuming: readonly Mutant[] = [
  {
    name: 'the watermark: what was seen is skipped',
    file: `${runtime}/consumer-partition.ts`,
    find: 'epoch < this.#mark.epoch || position <= this.#mark.seen',
    replace: 'epoch < this.#mark.epoch',
    test: [`${runtime}/consumer.int.test.ts`, 'are applied once, in order, whatever comes again'],
  },
  {
    name: 'the watermark: what is not the next is a gap',
    file: `${runtime}/consumer-partition.ts`,
    find: 'if (previous !== undefined && previous !== this.#mark.seen) return',
    replace: 'if (previous !== undefined && previous === -1) return',
    test: [`${runtime}/consumer.int.test.ts`, 'a gap that fills later is read once'],
  },
  {
    name: 'a partition begins where the database says',
    file: `${runtime}/consumer-start.ts`,
    find: 'return { mark: { source, epoch, seen, stored: seen }, offset',
    replace: 'return { mark: { source, epoch, seen: seen + 1, stored: seen }, offset',
  },
  {
    name: 'after a lost reply all events of the batch are looked up',
    file: `${ledger}/append.ts`,
    find: 'events.every(({ id, version }, n) => there[n]?.id === id && there[n].version === version)',
    replace: 'there !== undefined',
    test: [`${ledger}/lost-reply.test.ts`, 'another process has written'],
  },
  {
    name: 'after a lost reply all ids of the batch are looked up',
    file: `${ledger}/append.ts`,
    find: 'written && (await hasMessages(store, batch)) &&',
    replace: 'written &&',
    test: [`${ledger}/lost-reply.test.ts`, 'another process has written'],
  },
  {
    name: 'what another owner has parked since keeps what follows it',
    file: `${runtime}/consumer-partition.ts`,
    find: 'if (duplicate && (await ledger',
    replace: 'if (false && (await ledger',
    test: [`${runtime}/consumer.int.test.ts`, 'that another owner has parked meanwhile'],
  },
  {
    name: 'a parked key keeps what follows it',
    file: `${runtime}/consumer-partition.ts`,
    find: '    this.#parked.add(record.key)\n',
    replace: '',
  },
  {
    name: 'parked keys are known again after a restart',
    file: `${runtime}/consumer-partition.ts`,
    find: 'this.#parked = new Set(',
    replace: 'this.#parked = new Set<string>([] ?? ',
  },
  {
    name: 'a failure that passes is not parked',
    file: `${runtime}/consumer-partition.ts`,
    find: 'else if (isTemporary(error)) throw error\n',
    replace: '',
  },
  {
    name: 'intake that was applied does not wait behind its key',
    file: `${runtime}/consumer-partition.ts`,
    find: 'return !isIntake(this.#topic) || (await ledger.known(event.id)) === undefined',
    replace: 'return true',
  },
  {
    name: 'parked intake is retried under its own id',
    file: `${runtime}/consumer-unit.ts`,
    find: "event.stream === 'intake'",
    replace: "event.stream === ''",
    test: [`${runtime}/consumer-intake.int.test.ts`, 'that was parked, and applied when it was retried'],
  },
  {
    name: 'what follows a parked fact waits with it, wherever a larger plan has put it',
    file: `${ledger}/parking.ts`,
    find: 'partition: parkedIn ?? partition',
    replace: 'partition',
    test: [`${ledger}/parking.int.test.ts`, 'facts of a stream that a larger plan has moved'],
  },
  {
    name: 'a partition knows the keys that are parked in others',
    file: `${runtime}/consumer-partition.ts`,
    find: 'return isIntake(this.#topic) ? this.#partition : undefined',
    replace: 'return this.#partition',
    test: ['test/simulate/simulate.test.ts', 'waits behind those that are parked'],
  },
  {
    name: 'who retries begins with what was parked before a restore',
    file: `${runtime}/operator.ts`,
    find: '  if (!older) return\n',
    replace: '  if (older || !older) return\n',
    test: ['test/simulate/simulate.test.ts', 'waits behind those that are parked'],
  },
  {
    name: 'intake that is delivered again while it is parked waits once',
    file: `${ledger}/parking.ts`,
    find: 'if (hash !== undefined && ',
    replace: 'if (hash === "" && ',
    test: [`${ledger}/parking.int.test.ts`, 'intake that is delivered again'],
  },
  {
    name: 'a parked record goes with the unit that applies it',
    file: `${ledger}/batch.ts`,
    find: '    if (parked) this.parked.set(parkedName(parked), parked)\n',
    replace: '',
  },
  {
    name: 'who retries a parked record that is gone is told so',
    file: `${ledger}/losers.ts`,
    find: 'unit.parked && isGone ? new NotParked(unit.parked) : claim',
    replace: 'claim',
    test: [`${ledger}/parking.int.test.ts`, 'what is applied goes with its unit'],
  },
  {
    name: 'after a lost reply it is looked up whether a parked record was applied',
    file: `${ledger}/append.ts`,
    find: ' && (await hasRetried(store, batch))',
    replace: '',
    test: [`${ledger}/lost-reply.test.ts`, 'a parked record'],
  },
  {
    name: 'facts of one partition are handed over in their order',
    file: `${runtime}/consumer-unit.ts`,
    find: '  await ahead.handed\n',
    replace: '',
    test: [`${runtime}/consumer-unit.test.ts`, ''],
  },
  {
    name: 'facts of one key come one after the other',
    file: `${runtime}/in-flight.ts`,
    find: 'Math.max(same + 1, ',
    replace: 'Math.max(Math.min(0, same), ',
    test: [`${runtime}/in-flight.test.ts`, ''],
  },
  {
    name: 'nothing is on its way any more when reading begins anew',
    file: `${runtime}/consumer-partition.ts`,
    find: '    } finally {\n      await this.#inFlight.drain()\n    }',
    replace: '    } finally {\n    }',
    test: [`${runtime}/consumer.int.test.ts`, 'of a newer version wait for a newer program'],
  },
  {
    name: 'what waits to be stored is asked for when its batch has ended',
    file: `${runtime}/consumer-partition.ts`,
    find: '    if (this.#waitingSince !== undefined) this.#parts.later()\n',
    replace: '',
  },
  {
    name: 'a partition begins anew where what was of no interest could not be stored',
    file: `${runtime}/consumer-partition.ts`,
    find: '      this.#control?.fail(error)\n',
    replace: '',
    test: [`${runtime}/consumer.int.test.ts`, 'of no interest that could not be stored are stored later'],
  },
  {
    name: 'a parked record moves its checkpoint with it',
    file: `${ledger}/parking.ts`,
    find: '      await tx.moveCheckpoint(checkpoint)\n      return true\n',
    replace: '      return true\n',
  },
  {
    name: 'a record behind the checkpoint is not parked again',
    file: `${ledger}/parking.ts`,
    find: '      if (stored !== undefined && position <= stored) return true\n      if (stored === undefined ? previous > 0 : previous !== stored) throw new CheckpointGap(source, partition, stored, previous)\n',
    replace: '',
    test: [`${ledger}/parking.int.test.ts`, 'parked keys keep what follows'],
  },
  {
    name: 'the id of a timer’s unit is stream, tell and when it is due',
    file: `${ledger}/timers.ts`,
    find: 'const id = timerUnitId(timer)',
    replace: 'const id = timerUnitId(timer).concat(String(performance.now()))',
  },
  {
    name: 'it happened when it was due',
    file: `${ledger}/timers.ts`,
    find: 'cause: { at: timer.due,',
    replace: 'cause: {',
    test: [store, 'due tells are fired once'],
  },
]

export const mutants: readonly Mutant[] = [...writing, ...statements, ...relaying, ...consuming, ...goingBack]
