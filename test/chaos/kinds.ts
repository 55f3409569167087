import type { Kill, KillKind } from './stage.ts'

/** What was done, as it is counted. */
interface Done {
  readonly kills: readonly Pick<Kill, 'kind' | 'inFlight'>[]
  readonly others: Readonly<Record<string, number>>
}

const hits =
  (wanted: KillKind) =>
  ({ kills }: Done): number =>
    kills.filter(({ kind, inFlight }) => kind === wanted && inFlight > 0).length
const counted =
  (fits: RegExp) =>
  ({ others }: Done): number =>
    Object.entries(others).reduce((sum, [what, times]) => sum + (fits.test(what) ? times : 0), 0)

const process = 'process'
/** What a machine must be able to do for it. */
export type Needs = typeof process | 'network' | 'disks'

interface KindOfFault {
  readonly name: string
  readonly needs: Needs
  readonly count: (done: Done) => number
}

/** Each kind of fault that a run is to show; those that need a network or a disk of their own only where there is one. */
const kinds: readonly KindOfFault[] = [
  { name: 'SIGKILL of a service', needs: process, count: hits('service') },
  { name: 'a connection to PostgreSQL ended', needs: process, count: hits('backend') },
  { name: 'the PostgreSQL server killed', needs: process, count: hits('server') },
  { name: 'SIGKILL of a broker', needs: process, count: hits('broker') },
  { name: 'a zombie that woke up after its successor took over', needs: process, count: counted(/^a zombie woke up/) },
  { name: 'rebalances in a storm', needs: process, count: counted(/^rebalances/) },
  { name: 'Redis gone', needs: process, count: counted(/^Redis gone/) },
  { name: 'PostgreSQL’s disk full', needs: 'disks', count: counted(/^PostgreSQL’s disk full/) },
  { name: 'a broker’s disk full', needs: 'disks', count: counted(/broker’s disk full/) },
  { name: 'network: cut', needs: 'network', count: counted(/^network.*: cut/) },
  { name: 'network: latency', needs: 'network', count: counted(/^network.*: latency/) },
  { name: 'network: slow close', needs: 'network', count: counted(/^network.*: slow close/) },
  { name: 'network: half-open', needs: 'network', count: counted(/^network.*: half-open/) },
  { name: 'network: one direction', needs: 'network', count: counted(/^network.*: one direction/) },
]

/** How often each kind of fault was there; kills that hit nobody are none. */
export const countsOf = (done: Done): Readonly<Record<string, number>> =>
  Object.fromEntries(kinds.map(({ name, count }) => [name, count(done)]))

/** Those of which there was none, although this machine can do them. */
export const missingOf = (done: Done, unable: readonly Needs[] = []): readonly string[] =>
  kinds.filter(({ needs, count }) => !unable.includes(needs) && count(done) === 0).map(({ name }) => name)
