/** One figure beside its control, measured in turn in one run. */
export interface Figure {
  readonly figure: string
  readonly unit: string
  readonly value: number
  readonly control?: { readonly name: string; readonly value: number }
  /** Value by control; for latencies above 1 is slower, for rates below 1 is slower. */
  readonly ratio?: number
  /** Lowest and highest of the rounds. */
  readonly spread: readonly [number, number]
  readonly note?: string
}

export const median = (values: readonly number[]): number => percentile(values, 50)

/** By linear interpolation. */
export function percentile(values: readonly number[], p: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  const place = ((sorted.length - 1) * p) / 100
  const low = sorted[Math.floor(place)] ?? Number.NaN
  const high = sorted[Math.ceil(place)] ?? Number.NaN
  return low + (high - low) * (place - Math.floor(place))
}

export interface Contender {
  readonly name: string
  /** One round; what it measured. */
  readonly run: () => Promise<number>
}

/** Runs all in turn, round by round, so that a machine that slows down slows all of them; medians. */
export async function alternate(rounds: number, contenders: readonly Contender[]): Promise<ReadonlyMap<string, readonly number[]>> {
  const measured = new Map<string, number[]>(contenders.map(({ name }) => [name, []]))
  for (let round = 0; round < rounds; round++) for (const { name, run } of contenders) measured.get(name)?.push(await run())
  return measured
}

export function figureOf(
  figure: string,
  unit: string,
  values: readonly number[],
  control?: { readonly name: string; readonly values: readonly number[] },
  note?: string,
): Figure {
  const value = median(values)
  const against = control ? median(control.values) : undefined
  return {
    figure,
    unit,
    value,
    ...(control && against !== undefined ? { control: { name: control.name, value: against }, ratio: value / against } : {}),
    spread: [Math.min(...values), Math.max(...values)],
    ...(note ? { note } : {}),
  }
}
