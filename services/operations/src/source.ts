import { source as fact } from '@rondo/contracts/operations'
import { type Instant, millis, stream, toInstant } from '@rondo/kernel'
import { latestOf } from './moments.ts'
import { hashOf } from './names.ts'

export interface Span {
  readonly from: Instant
  readonly to: Instant
}
export interface Cut {
  readonly group_key: string
  readonly at: Instant
  readonly status: 'firing' | 'resolved'
  readonly listed: readonly string[]
  readonly left_out: number
}
export interface Source {
  readonly kind?: string
  /** When it was heard, in steps of ten minutes; two hearings at most `silence` apart make one span. */
  readonly alive: readonly Span[]
  /** The latest messages that left alerts out. */
  readonly cuts: readonly Cut[]
  /** Of those no longer kept. */
  readonly older: { readonly messages: number; readonly left_out: number }
}

const step = 10 * 60_000
/** An Alertmanager repeats what fires after 4 hours by default: hearing nothing for longer, we do not know that it lives. */
export const silence = 5 * 3_600_000
const kept = { spans: 200, cuts: 50 }

const stepOf = (at: Instant): Instant => toInstant(new Date(Math.floor(millis(at) / step) * step))
/** By time; the same message is the same text. */
const order = ({ at, group_key, status, listed, left_out }: Cut) => JSON.stringify([at, group_key, status, listed, left_out])
const covers = ({ from, to }: Span, at: Instant) => from <= at && at <= to

/** Spans that are at most `silence` apart are one, in whatever order they came. */
export function merged(spans: readonly Span[]): readonly Span[] {
  const made: Span[] = []
  for (const span of spans.toSorted((a, b) => (a.from < b.from ? -1 : 1))) {
    const last = made.at(-1)
    if (!last || millis(span.from) - millis(last.to) > silence) made.push(span)
    else made[made.length - 1] = { from: last.from, to: latestOf(last.to, span.to) }
  }
  return made
}

export const leftOut = ({ cuts, older }: Source) => ({
  messages: cuts.length + older.messages,
  alerts: cuts.reduce((sum, { left_out }) => sum + left_out, older.left_out),
})

export const advice = 'raise max_alerts of this receiver, or group by more labels so that groups are smaller'

/** Whether a message said that the group is over without naming this alert, and when (the last time). */
export const endedUnnamed = ({ cuts }: Source, group: string, fingerprint: string): Cut | undefined =>
  cuts.findLast(({ group_key, status, listed }) => group_key === group && status === 'resolved' && !listed.includes(fingerprint))

export const groupKey = (source: string, group: string): string => hashOf(source, group)

export const source = stream('source', fact, { alive: [], cuts: [], older: { messages: 0, left_out: 0 } } as Source)({
  fold: 1,
  asks: {},

  tells: {
    heard({ kind, alive }, heard: { kind: string; heard_at?: Instant | undefined }, { at, streamId }) {
      const isNews = (moment: Instant) => kind !== heard.kind || !alive.some((span) => covers(span, stepOf(moment)))
      const { heard_at } = heard
      return [
        ...(isNews(at) ? [fact.seen({ source: streamId, kind: heard.kind })] : []),
        ...(heard_at && stepOf(heard_at) !== stepOf(at) && isNews(heard_at)
          ? [fact.seen({ source: streamId, kind: heard.kind, heard_at })]
          : []),
      ]
    },
    cut: ({ cuts }, { group_key, status, listed, left_out }: Omit<Cut, 'at'>, { at, streamId }) =>
      cuts.some((one) => order(one) === order({ group_key, status, listed, left_out, at }))
        ? []
        : [fact.cut({ source: streamId, group_key, status, listed: [...listed], left_out })],
  },

  evolve: {
    seen(known, { kind, heard_at }, { at }) {
      const moment = stepOf(heard_at ?? at)
      return { ...known, kind, alive: merged([...known.alive, { from: moment, to: moment }]).slice(-kept.spans) }
    },
    cut(known, { group_key, status, listed, left_out }, { at }) {
      const cut = { group_key, at, status, listed, left_out }
      if (known.cuts.some((one) => order(one) === order(cut))) return known
      const cuts = [...known.cuts, cut].sort((a, b) => (order(a) < order(b) ? -1 : 1))
      const dropped = cuts.slice(0, -kept.cuts)
      return {
        ...known,
        cuts: cuts.slice(-kept.cuts),
        older: {
          messages: known.older.messages + dropped.length,
          left_out: dropped.reduce((sum, one) => sum + one.left_out, known.older.left_out),
        },
      }
    },
  },

  phase: ({ kind, cuts }) => (kind || cuts.length > 0 ? 'heard' : 'unseen'),
  keys: { kind: ({ kind }) => (kind ? [kind] : []) },
})
