/** What a figure is to be: its ratio to the control, how far it lies above the control, or the figure itself. */
export interface Aim {
  readonly direction: '>=' | '<='
  readonly value: number
  readonly of: 'ratio' | 'difference' | 'value'
}
export const atLeast = (value: number, of: Aim['of'] = 'ratio'): Aim => ({ direction: '>=', value, of })
export const atMost = (value: number, of: Aim['of'] = 'ratio'): Aim => ({ direction: '<=', value, of })

/** One figure beside its control, measured in turn in one run. */
export interface Figure {
  readonly figure: string
  readonly unit: string
  /** NaN: not measured; `note` says why. */
  readonly value: number
  readonly control?: { readonly name: string; readonly value: number; readonly spread?: readonly [number, number] }
  /** Value by control; for latencies above 1 is slower, for rates below 1 is slower. */
  readonly ratio?: number
  /** Lowest and highest of the rounds. */
  readonly spread: readonly [number, number]
  readonly note?: string
  readonly aim?: Aim
}

export const aimed = (figure: Figure, aim: Aim): Figure => ({ ...figure, aim })

/** What an aim looks at. */
function looked({ value, control, ratio }: Figure, { of }: Aim): number {
  if (of === 'ratio') return ratio ?? Number.NaN
  return of === 'value' ? value : value - (control?.value ?? Number.NaN)
}

/** Null: there is no aim, or nothing was measured. */
export function isMet(figure: Figure): boolean | null {
  const { aim } = figure
  const found = aim && looked(figure, aim)
  if (!aim || found === undefined || Number.isNaN(found)) return null
  return aim.direction === '>=' ? found >= aim.value : found <= aim.value
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

/** What steps take together that come one after the other: sums of one random draw from each. */
export function convolved(steps: readonly (readonly number[])[], draws = 20_000): readonly number[] {
  const draw = (samples: readonly number[]) => samples[Math.floor(Math.random() * samples.length)] ?? Number.NaN
  return Array.from({ length: draws }, () => steps.reduce((sum, samples) => sum + draw(samples), 0))
}

export interface Contender {
  readonly name: string
  /** One round; what it measured. */
  readonly run: () => Promise<number>
}

/**
 * Runs all in turn, round by round, so that a machine that slows down slows all of them; medians. The first round of each is not counted: a
 * service has run for long when it is waited for. `goOn` is asked before each round that is counted but the first.
 */
export async function alternate(
  rounds: number,
  contenders: readonly Contender[],
  goOn: () => boolean = () => true,
): Promise<ReadonlyMap<string, readonly number[]>> {
  const measured = new Map<string, number[]>(contenders.map(({ name }) => [name, []]))
  for (const { run } of contenders) await run()
  for (let round = 0; round < rounds && (round === 0 || goOn()); round++)
    for (const { name, run } of contenders) measured.get(name)?.push(await run())
  return measured
}

const spreadOf = (values: readonly number[]): readonly [number, number] => [Math.min(...values), Math.max(...values)]

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
    ...(control && against !== undefined
      ? { control: { name: control.name, value: against, spread: spreadOf(control.values) }, ratio: value / against }
      : {}),
    spread: spreadOf(values),
    ...(note ? { note } : {}),
  }
}

/** A figure that could not be had in this run, and why: it is named all the same. */
export const unmeasured = (figure: string, unit: string, note: string, aim?: Aim): Figure => ({
  figure,
  unit,
  value: Number.NaN,
  spread: [Number.NaN, Number.NaN],
  note,
  ...(aim ? { aim } : {}),
})
