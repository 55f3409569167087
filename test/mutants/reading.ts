import type { Mutant } from './mutant.ts'

const bus = 'packages/bus/src'
const want = `${bus}/kafka/want.ts`
const wants = `${bus}/kafka/want.test.ts`

/** From Kafka to those who read it in one process. */
export const reading: readonly Mutant[] = [
  {
    name: 'a fetch session begins anew where it is not known what the broker has heard',
    file: `${bus}/kafka/fetch-session.ts`,
    find: '    this.#epoch = 0\n',
    replace: '',
    test: [`${bus}/kafka/fetch-session.test.ts`, 'it is not known what the broker has heard'],
    simulated: false,
  },
  {
    name: 'a fetch session begins anew where the broker says that it is over',
    file: `${bus}/kafka/fetch-session.ts`,
    find: '    if (over.has(fetched.errorCode)) return undefined\n',
    replace: '',
    test: [`${bus}/kafka/fetch-session.test.ts`, 'that it is over'],
    simulated: false,
  },
  {
    name: 'what does not begin at the position is not handed over',
    file: `${bus}/partition-work.ts`,
    find: 'if (from !== this.position) return this.suspect()',
    replace: '',
    test: [`${bus}/partition-work.test.ts`, 'is not handed over'],
  },
  {
    name: 'a member takes only what goes on where it has come to',
    file: want,
    find: 'chunk.from <= this.#next && chunk.next > this.#next',
    replace: 'chunk.next > this.#next',
    test: [wants, 'is not for it'],
    simulated: false,
  },
  {
    name: 'a member takes nothing that it has',
    file: want,
    find: 'chunk.from <= this.#next && chunk.next > this.#next',
    replace: 'chunk.from <= this.#next',
    test: [wants, 'is not for it'],
    simulated: false,
  },
  {
    name: 'a member that stands still takes no more of a partition',
    file: want,
    find: ' && this.#waiting < mostOfPartition',
    replace: '',
    test: [wants, 'stands still with one partition'],
    simulated: false,
  },
  {
    name: 'a member that stands still takes no more of all partitions',
    file: want,
    find: ' && this.#held.bytes < mostHeld',
    replace: '',
    test: [wants, 'stands still with many partitions'],
    simulated: false,
  },
  {
    name: 'what waits for an ended want is for nobody',
    file: want,
    find: 'sizeOf(this.#pieces.splice(0))',
    replace: 'sizeOf(this.#pieces)',
    test: [wants, 'an ended want'],
    simulated: false,
  },
  {
    name: 'what a batch holds before the offset is left out',
    file: `${bus}/kafka/chunk.ts`,
    find: 'if (record.offset >= from) yield record',
    replace: 'yield record',
    test: [`${bus}/kafka/chunk.test.ts`, 'before the offset'],
    simulated: false,
  },
  {
    name: 'a shared batch that cannot be read has no end for any of its readers',
    file: `${bus}/kafka/chunk.ts`,
    find: 'if (this.#failure) throw this.#failure.error',
    replace: '',
    test: [`${bus}/kafka/chunk.test.ts`, 'each is told so'],
    simulated: false,
  },
  {
    name: 'transactions that were given up are passed over',
    file: `${bus}/kafka/chunk.ts`,
    find: ' || !gaveUp.has(producerId)',
    replace: ' || true',
    test: [`${bus}/kafka/reader.int.test.ts`, 'given up'],
    simulated: false,
  },
]
