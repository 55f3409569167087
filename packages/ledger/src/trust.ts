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

/** Units of a batch that is always decided on guesses where there are any: so few hardly share a load. */
const fewest = 16
const widest = 512

/**
 * How many units may be decided on guesses together, as in the window of a congestion control: twice as many each time several batches of
 * about so many came true; the fewest again where one did not, as all of its units pay for that.
 */
export class GuessWindow {
  #size = fewest
  #inARow = 0

  get size(): number {
    return this.#size
  }

  /** What few units come to says nothing of many, and has cost little. */
  saw(units: number, isTrue: boolean): void {
    if (!isTrue && units > fewest) this.#set(fewest)
    else if (isTrue && units * 2 > this.#size && ++this.#inARow >= enough) this.#set(Math.min(widest, this.#size * 2))
  }

  #set(size: number): void {
    this.#size = size
    this.#inARow = 0
  }
}
