import type { FaultName } from './schedule.ts'

/** Faults that could not begin in their turn: the next turn is theirs, first come, first served. Else one that always comes at a bad moment never comes. */
export class Owed {
  #waiting: readonly FaultName[] = []

  /** Whose turn it is where this one’s has come; undefined: none of them may begin. */
  next(fault: FaultName, may: (fault: FaultName) => boolean): FaultName | undefined {
    if (!this.#waiting.includes(fault)) this.#waiting = [...this.#waiting, fault]
    const first = this.#waiting.find(may)
    this.#waiting = this.#waiting.filter((one) => one !== first)
    return first
  }
}
