import * as Plot from '@observablehq/plot'
import { parseHTML } from 'linkedom'

export interface Point {
  readonly series: string
  readonly x: number
  readonly y: number
}

/** What a figure comes to while something grows. */
export interface Curve {
  /** Of its file. */
  readonly name: string
  readonly title: string
  readonly x: string
  readonly y: string
  /** Axes on which each step is a multiple. */
  readonly log: readonly ('x' | 'y')[]
  readonly points: readonly Point[]
}

const { document } = parseHTML('<!doctype html><html><body></body></html>')
const size = { width: 720, height: 400, marginRight: 190, marginLeft: 60, marginTop: 60 } as const
// It is looked at inside of pages whose ground may be dark
const style = { background: 'white', color: '#222', fontSize: '12px' } as const

/** A file of its own: with a name for its kind, and nothing around it. */
function fileOf(options: Plot.PlotOptions): string {
  const drawn = Plot.plot({ ...options, document, style })
  drawn.setAttribute('xmlns', 'http://www.w3.org/2000/svg')
  return `${drawn.outerHTML}\n`
}

const heading = (title: string): Plot.Markish => Plot.text([title], { frameAnchor: 'top-left', dy: -44, fontSize: 14, fontWeight: 'bold' })

/** As SVG. */
export function lineChart({ title, x, y, log, points }: Curve): string {
  const scale = (axis: 'x' | 'y') => (log.includes(axis) ? { type: 'log' as const } : { zero: true })
  return fileOf({
    ...size,
    grid: true,
    x: { ...scale('x'), label: x, tickFormat: 's' },
    y: { ...scale('y'), label: y, tickFormat: 's' },
    marks: [
      heading(title),
      Plot.line(points, { x: 'x', y: 'y', z: 'series', stroke: 'series', strokeWidth: 2, marker: 'dot' }),
      Plot.text(points, Plot.selectLast({ x: 'x', y: 'y', z: 'series', text: 'series', fill: 'series', textAnchor: 'start', dx: 10 })),
    ],
  })
}

export interface Frame {
  readonly name: string
  /** How many callers are below it. */
  readonly depth: number
  /** Shares of the whole, from 0 to 1. */
  readonly from: number
  readonly to: number
  /** Whose code it is: frames of one owner have one colour. */
  readonly owner: string
}

const rowHeight = 17
const letterWidth = 6.6

/** As SVG: each frame as wide as its share of the time, above the one that called it. */
export function flameChart(title: string, frames: readonly Frame[]): string {
  const deepest = Math.max(0, ...frames.map(({ depth }) => depth))
  const width = 1200
  const label = ({ name, owner, from, to }: Frame) => {
    const letters = Math.floor(((to - from) * (width - 20)) / letterWidth)
    return letters < 3 ? '' : `${name} · ${owner}`.slice(0, letters)
  }
  return fileOf({
    width,
    height: 80 + (deepest + 1) * rowHeight,
    margin: 10,
    marginTop: 60,
    x: { axis: null, domain: [0, 1] },
    y: { axis: null, domain: [0, deepest + 1] },
    color: { legend: false, scheme: 'set3', type: 'categorical' },
    marks: [
      heading(title),
      Plot.rect(frames, {
        x1: 'from',
        x2: 'to',
        y1: 'depth',
        y2: ({ depth }: Frame) => depth + 1,
        fill: 'owner',
        inset: 0.25,
        title: ({ name, owner, from, to }: Frame) => `${name} (${owner}): ${(100 * (to - from)).toFixed(1)} %`,
      }),
      Plot.text(frames, {
        x: 'from',
        y: ({ depth }: Frame) => depth + 0.5,
        text: label,
        textAnchor: 'start',
        dx: 3,
        fontSize: 11,
      }),
    ],
  })
}
