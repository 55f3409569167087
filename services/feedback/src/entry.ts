import { entry as fact } from '@rondo/contracts/feedback'
import { type Context, type Instant, stream } from '@rondo/kernel'

export const entryKinds = ['feedback', 'signal', 'incident', 'requirement', 'release', 'proof', 'notice'] as const

/** One line of the feedback stream. */
export interface Line {
  readonly kind: (typeof entryKinds)[number]
  readonly service: string
  readonly title: string
  readonly text: string
  readonly requirement?: string | undefined
  readonly phase?: string | undefined
  /** The event that it tells of. */
  readonly about: string
}
export interface Entry {
  readonly published?: Instant
  readonly requirement?: string | undefined
}

/** Its id is that of the fact it is about, so the same fact makes one line however often it comes. */
export const entry = stream(
  'entry',
  fact,
  {} as Entry,
)({
  fold: 1,
  asks: {},
  tells: {
    publish: ({ published }, line: Line, { at, streamId }: Context) =>
      published ? [] : [fact.published({ entry: streamId, ...line, at })],
  },
  evolve: {
    published: (entry, { requirement }, { at }) => (entry.published ? entry : { published: at, requirement }),
  },
  keys: {},
  loops: ({ requirement }) => (requirement ? [requirement] : []),
})
