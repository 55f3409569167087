import { cpus, totalmem } from 'node:os'
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

function row(figure: Figure): string {
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

/** As Markdown. */
export const tableOf = (figures: readonly Figure[]): string =>
  [
    '| figure | median | spread | control in the same run | ratio | aim | met | |',
    '|---|---|---|---|---|---|---|---|',
    ...figures.map(row),
    '',
  ].join('\n')

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

/** docs/performance.md. */
export function documentOf(figures: readonly Figure[]): string {
  const day = new Date().toISOString().slice(0, 10)
  const machine = `${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'}), ${Math.round(totalmem() / 2 ** 30)} GB, Node ${process.version}, PostgreSQL 18, Kafka 4.4, ${day}`
  return `# Performance

Measured by \`npm run bench\` on a shared machine of ${machine}. Read the ratios: absolute figures differ from machine to machine by a factor of two and more.

${tableOf(figures)}`
}
