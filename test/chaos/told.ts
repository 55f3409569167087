/** Whom a caller asked: the service that decides, or the edge alone (intake). */
export type Target = 'requirements' | 'operations' | 'intake'

/** What a caller was told. `unknown`: nothing, or "try again": it may have happened or not. */
export type Outcome =
  | { readonly kind: 'acknowledged'; readonly answer: Readonly<Record<string, unknown>> }
  | { readonly kind: 'refused'; readonly code: string; readonly message: string }
  | {
      readonly kind: 'unknown'
      readonly code: string
      readonly message: string
      /** Rondo itself said so, not a connection that broke. */
      readonly typed: boolean
      /** Events of intake that were taken although others beside them were not. */
      readonly taken?: readonly string[]
    }

/** One try of one message. */
export interface Call {
  readonly target: Target
  readonly method: string
  /** The caller's own; the same for each try of it. */
  readonly messageId: string
  /** Which gateway (0, 1 …) it was sent to. */
  readonly edge: number
  /** Of intake: nothing. It is known by the ids that were answered, and there is much of it. */
  readonly request: Readonly<Record<string, unknown>>
  /** Milliseconds of this process's clock. */
  readonly begun: number
}
export interface Told extends Call {
  readonly ended: number
  readonly outcome: Outcome
}

/** The ids of the events of intake that this answer says are taken. */
export function takenOf(outcome: Outcome): readonly string[] {
  if (outcome.kind === 'unknown') return outcome.taken ?? []
  return outcome.kind === 'acknowledged' && Array.isArray(outcome.answer.taken) ? outcome.answer.taken : []
}

/** All that callers were told, in the order in which they were, and what they wait for. */
export class History {
  readonly told: Told[] = []
  readonly #acknowledged = new Set<string>()
  #events = 0
  readonly #waiting = new Set<Call>()

  async kept(call: Call, work: () => Promise<Outcome>): Promise<Outcome> {
    this.#waiting.add(call)
    try {
      const outcome = await work()
      this.told.push({ ...call, ended: performance.now(), outcome })
      this.#count(call, outcome)
      return outcome
    } finally {
      this.#waiting.delete(call)
    }
  }
  /** Calls under way that fit. */
  waiting(fits: (call: Call) => boolean): number {
    return [...this.#waiting].filter(fits).length
  }
  /** Messages, and events of intake, that somebody was told are taken. */
  get acknowledged(): number {
    return this.#events
  }

  #count({ messageId, target }: Call, outcome: Outcome): void {
    if (outcome.kind !== 'acknowledged' || this.#acknowledged.has(messageId)) return
    this.#acknowledged.add(messageId)
    this.#events += target === 'intake' ? takenOf(outcome).length : 1
  }
}
