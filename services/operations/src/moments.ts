import type { Instant } from '@rondo/kernel'

/** Instants are text of fixed width: their order is that of the text. */
export const latestOf = (first: Instant, ...more: readonly (Instant | undefined)[]): Instant =>
  more.reduce<Instant>((latest, one) => (one === undefined || one <= latest ? latest : one), first)

export const earliestOf = (first: Instant, ...more: readonly (Instant | undefined)[]): Instant =>
  more.reduce<Instant>((earliest, one) => (one === undefined || one >= earliest ? earliest : one), first)
