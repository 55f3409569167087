import { atLeast, type Figure, unmeasured } from './measure.ts'

const why = 'not measured: neither the npm package (0.42) nor its repository has a licence, so it is no dependency here'

/** The rows of an outside event store are named, so that nobody takes them for forgotten. */
export const emmettFigures = (): readonly Figure[] =>
  [
    { callers: '256 callers', aim: atLeast(6) },
    { callers: '1 caller', aim: atLeast(1.5) },
  ].map(({ callers, aim }) => unmeasured(`ledger beside Emmett's PostgreSQL event store, ${callers}`, 'messages/s', why, aim))
