import { setTimeout as pause } from 'node:timers/promises'
import { CliError } from './exit.ts'
import { inWords } from './span.ts'

export interface Look<Value> {
  /** There once what was waited for is there. */
  readonly found?: Value | undefined
  /** What was seen instead, in words. */
  readonly seen?: string
}
export interface Patience {
  /** What is waited for: the sentence of the timeout. */
  readonly what: string
  /** Milliseconds. */
  readonly within: number
  /** Milliseconds between two looks. */
  readonly every?: number
  readonly signal?: AbortSignal
}

/** Looks until it is there. A timeout names what was waited for and what was seen last. */
export async function patiently<Value>({ what, within, every = 100, signal }: Patience, look: () => Promise<Look<Value>>): Promise<Value> {
  const end = performance.now() + within
  for (;;) {
    const { found, seen } = await look()
    if (found !== undefined) return found
    if (performance.now() + every > end)
      throw new CliError('timedOut', `waited ${inWords(within)} for ${what}${seen ? `; last seen: ${seen}` : ''}`, { waited_for: what })
    await pause(every, undefined, signal ? { signal } : {})
  }
}
