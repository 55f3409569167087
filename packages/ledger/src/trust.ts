const most = 8
/** So often in a row something has to have come true before it is guessed again. */
const enough = 4

/** How well guesses of a kind come true: one that does not takes all trust, as in a predictor of branches. */
export class Trust {
  readonly #times = new Map<string, number>()

  /** `atFirst`: whether a kind is guessed of which nothing is known. */
  has(kind: string, atFirst: boolean): boolean {
    return (this.#times.get(kind) ?? (atFirst ? most : 0)) >= enough
  }

  saw(kind: string, isTrue: boolean): void {
    this.#times.set(kind, isTrue ? Math.min(most, (this.#times.get(kind) ?? 0) + 1) : 0)
  }
}
