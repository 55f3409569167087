import { type Aim, type Figure, isMet } from './measure.ts'

const signs = { '>=': '≥', '<=': '≤' } as const

const shown = (value: number): string => {
  if (Number.isNaN(value)) return ''
  if (value >= 100) return Math.round(value).toLocaleString('en')
  return value.toFixed(value < 10 ? 2 : 1)
}
const spreadText = ([low, high]: readonly [number, number]) => (low === high || Number.isNaN(low) ? '' : `${shown(low)} to ${shown(high)}`)

function aimText({ direction, value, of }: Aim, unit: string): string {
  if (of === 'ratio') return `ratio ${signs[direction]} ${value}`
  return `${signs[direction]} ${value} ${unit}${of === 'difference' ? ' above' : ''}`
}

const metText = { true: 'yes', false: 'no', null: '' } as const

function controlText({ value, name, spread }: NonNullable<Figure['control']>): string {
  const range = spread ? spreadText(spread) : ''
  return `${shown(value)}${range && `, ${range}`} (${name})`
}

/** A line of the table. */
export function rowOf(figure: Figure): string {
  const { figure: name, unit, value, spread, control, ratio, note, aim } = figure
  const cells = [
    name,
    Number.isNaN(value) ? '' : `${shown(value)} ${unit}`,
    spreadText(spread),
    control ? controlText(control) : '',
    ratio === undefined ? '' : ratio.toFixed(2),
    aim ? aimText(aim, unit) : '',
    metText[`${isMet(figure)}`],
    note ?? '',
  ]
  return `| ${cells.join(' | ')} |`
}

export const tableHead = [
  '| figure | median | spread | control in the same run | ratio | aim | met | |',
  '|---|---|---|---|---|---|---|---|',
] as const

/** As Markdown. */
export const tableOf = (figures: readonly Figure[]): string => [...tableHead, ...figures.map(rowOf), ''].join('\n')

/** One line of progress. */
export function lineOf(figure: Figure): string {
  const { figure: name, unit, value, control, ratio, note } = figure
  if (Number.isNaN(value)) return `${name}: ${note ?? 'not measured'}`
  const against = control ? `, control ${shown(control.value)}, ratio ${(ratio ?? Number.NaN).toFixed(2)}` : ''
  return `${name}: ${shown(value)} ${unit}${against}${figure.aim ? ` (${aimText(figure.aim, unit)}: ${isMet(figure) ? 'met' : 'missed'})` : ''}`
}

const known = (value: number | undefined): number | null => (value === undefined || Number.isNaN(value) ? null : value)

/** For programs: numbers or null, the control by itself, `met` null where there is no aim or nothing was measured. */
export const jsonOf = (figures: readonly Figure[]) => ({
  figures: figures.map((one) => ({
    figure: one.figure,
    unit: one.unit,
    value: known(one.value),
    control: known(one.control?.value),
    ratio: known(one.ratio),
    aim: one.aim ? { direction: one.aim.direction, value: one.aim.value, of: one.aim.of } : null,
    met: isMet(one),
    spread: one.spread.map(known),
    control_spread: one.control?.spread?.map(known) ?? null,
    control_name: one.control?.name ?? null,
    note: one.note ?? null,
  })),
})
