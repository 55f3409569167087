const most = 8
/** So often in a row something has to have come true before it is guessed again. */
const enough = 4

/** How well guesses of a kind come true: one that does not takes all trust, as in a predictor of branches. */
export class Trust {
  readonly #times = new Map<string, number>()
  readonly #atFirst: number

  /** `isGiven`: before anything was seen; else it has to be earned. */
  constructor(isGiven: boolean) {
    this.#atFirst = isGiven ? most : 0
  }

  has(kind: string): boolean {
    return (this.#times.get(kind) ?? this.#atFirst) >= enough
  }

  saw(kind: string, isTrue: boolean): void {
    this.#times.set(kind, isTrue ? Math.min(most, (this.#times.get(kind) ?? this.#atFirst) + 1) : 0)
  }
}
