import { notice as fact } from '@rondo/contracts/feedback'
import { type Context, type Instant, stream } from '@rondo/kernel'
import type { Outcome } from './turn.ts'

interface Due {
  readonly at: Instant
  readonly text: string
  readonly release?: string | undefined
}
/** What one requester is told of one requirement: each outcome once. */
export interface Notice {
  readonly requirement?: string
  readonly requester?: string
  readonly due: { readonly [O in Outcome]?: Due }
  readonly delivered: { readonly [O in Outcome]?: { readonly at: Instant; readonly via: string } }
}
export const noticeId = (requirement: string, requester: string) => `${requirement}/${requester}`

export const notice = stream('notice', fact, { due: {}, delivered: {} } as Notice)({
  fold: 1,
  asks: {},
  tells: {
    due: (
      { due },
      news: { requirement: string; requester: string; kind: Outcome; text: string; release?: string | undefined },
      { streamId }: Context,
    ) => (due[news.kind] ? [] : [fact.due({ notice: streamId, ...news })]),
    deliver: ({ delivered }, { kind, via }: { kind: Outcome; via: string }, { streamId }: Context) =>
      delivered[kind] ? [] : [fact.delivered({ notice: streamId, kind, via })],
  },
  evolve: {
    due: (notice, { requirement, requester, kind, text, release }, { at }) => ({
      ...notice,
      requirement,
      requester,
      due: { ...notice.due, [kind]: notice.due[kind] ?? { at, text, release } },
    }),
    delivered: (notice, { kind, via }, { at }) => ({
      ...notice,
      delivered: { ...notice.delivered, [kind]: notice.delivered[kind] ?? { at, via } },
    }),
  },
  phase: ({ due, delivered }) => (Object.keys(due).every((kind) => kind in delivered) ? 'delivered' : 'due'),
  closed: ['delivered'],
  keys: {
    requirement: ({ requirement }) => (requirement ? [requirement] : []),
    requester: ({ requester }) => (requester ? [requester] : []),
  },
  loops: ({ requirement }) => (requirement ? [requirement] : []),
})
