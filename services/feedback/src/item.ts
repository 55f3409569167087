import { item as fact } from '@rondo/contracts/feedback'
import { type Context, type Instant, refuse, stream } from '@rondo/kernel'

interface Seen {
  readonly at: Instant
}
interface Comment extends Seen {
  readonly text: string
  readonly by: string
}
/** All that was seen of a report, in whatever order it came. */
export interface Item {
  /** Who reported it first, and how. */
  readonly first?: Seen & {
    readonly requester: string
    readonly channel: 'api' | 'form' | 'issue'
    readonly external?: string | undefined
    readonly repository?: string | undefined
  }
  /** What it says now. */
  readonly latest?: Seen & { readonly text: string; readonly version?: string | undefined }
  readonly service?: Seen & { readonly name: string }
  readonly comments: Readonly<Record<string, Comment>>
  readonly links: Readonly<Record<string, Seen & { readonly linked: boolean }>>
  readonly asked?: Seen & { readonly title: string; readonly service: string }
  /** Who wants it beside the first, sorted. */
  readonly voters: readonly string[]
  readonly answer?: Seen & { readonly text: string; readonly by: string }
}
interface Submission {
  readonly service?: string | undefined
  readonly text: string
  readonly requester: string
  readonly version?: string | undefined
}

export const itemPhases = ['submitted', 'asked_for', 'linked', 'answered'] as const
export const requirementsOf = ({ links }: Item): readonly string[] =>
  Object.keys(links)
    .filter((id) => links[id]?.linked)
    .sort()
/** As the reporter or the catalog says; else as it was asked for. */
export const serviceOf = ({ service, asked }: Item): string | undefined => service?.name ?? asked?.service
export const requestersOf = ({ first, voters }: Item): readonly string[] => [...new Set([...(first ? [first.requester] : []), ...voters])]

export function itemPhase(item: Item): (typeof itemPhases)[number] | 'unseen' {
  if (!item.first) return 'unseen'
  if (item.answer) return 'answered'
  if (requirementsOf(item).length > 0) return 'linked'
  return item.asked ? 'asked_for' : 'submitted'
}

/** The most that is kept of each; the rest stays in the history. */
const most = { comments: 200, voters: 1000 }

const known = (item: Item, id: string) => item.first ?? refuse('not_found', `there is no item ${id}`, { path: 'item_id' })
const isLater = (known: Seen | undefined, at: Instant) => !known || at > known.at
/** Of what persons decide, the later; at the same instant, the one that came last. */
const latest = <S extends Seen>(known: S | undefined, next: S): S => (known && known.at > next.at ? known : next)

const asks = {
  submit(item: Item, submission: Submission & { channel: 'api' | 'form' }, { streamId }: Context) {
    if (item.first) refuse('already_exists', `${streamId} exists already`, { path: 'item_id' })
    return [fact.submitted({ item: streamId, ...submission })]
  },
  link(item: Item, { requirement }: { requirement: string }, { actor, streamId }: Context) {
    const { requester } = known(item, streamId)
    return item.links[requirement]?.linked
      ? []
      : [fact.linked({ item: streamId, requirement, requester, voters: [...item.voters], by: actor })]
  },
  askFor(item: Item, { title, service }: { title?: string | undefined; service?: string | undefined }, { actor, streamId }: Context) {
    const { requester } = known(item, streamId)
    const phase = itemPhase(item)
    const [requirement] = requirementsOf(item)
    if (requirement)
      refuse('wrong_phase', `${streamId} is linked to ${requirement} already`, { phase, from: phase, to: 'asked_for', missing: ['unlink'] })
    const about = service ?? serviceOf(item) ?? refuse('invalid', `${streamId} belongs to no service yet: name it`, { path: 'service' })
    const line = (title ?? item.latest?.text.split('\n')[0]?.trim().slice(0, 200)) || streamId
    return item.asked
      ? []
      : [fact.asked_for({ item: streamId, title: line, service: about, requester, voters: [...item.voters], by: actor })]
  },
  vote(item: Item, { requester }: { requester: string }, { streamId }: Context) {
    known(item, streamId)
    return requestersOf(item).includes(requester)
      ? []
      : [fact.voted({ item: streamId, requester, requirements: [...requirementsOf(item)] })]
  },
  answer(item: Item, { text }: { text: string }, { actor, streamId }: Context) {
    known(item, streamId)
    return item.answer?.text === text ? [] : [fact.answered({ item: streamId, by: actor, text })]
  },
}

const tells = {
  /** Opened or edited: the first says who reported it, the latest what it says. */
  issueObserved(item: Item, issue: Submission & { external: string; repository: string }, { at, streamId }: Context) {
    const news = isLater(item.latest, at) || !item.first || at < item.first.at || (issue.service !== undefined && isLater(item.service, at))
    return news ? [fact.submitted({ item: streamId, channel: 'issue', ...issue })] : []
  },
  issueCommented: (item: Item, { comment, text, by }: { comment: string; text: string; by: string }, { at, streamId }: Context) =>
    isLater(item.comments[comment], at) ? [fact.commented({ item: streamId, comment, text, by })] : [],
  /** The catalog says which service its repository belongs to. */
  serviceFound: (item: Item, { service }: { service: string }, { at }: Context) =>
    isLater(item.service, at) ? [fact.placed({ service })] : [],
  /** A requirement counts it: raised for it, or (`moved`) taken over from another one. */
  requirementKnown(
    item: Item,
    { requirement, requester, moved }: { requirement: string; requester: string; moved: boolean },
    { at, actor, streamId }: Context,
  ) {
    const link = item.links[requirement]
    const news = isLater(link, at) && (moved || !link?.linked)
    return news
      ? [fact.linked({ item: streamId, requirement, requester: item.first?.requester ?? requester, voters: [...item.voters], by: actor })]
      : []
  },
  requirementLost: (item: Item, { requirement }: { requirement: string }, { at, streamId }: Context) =>
    isLater(item.links[requirement], at) ? [fact.unlinked({ item: streamId, requirement })] : [],
}

function withLink(item: Item, requirement: string, link: Seen & { readonly linked: boolean }): Item {
  return { ...item, links: { ...item.links, [requirement]: latest(item.links[requirement], link) } }
}
function withComment(item: Item, id: string, comment: Comment): Item {
  const all = Object.entries({ ...item.comments, [id]: latest(item.comments[id], comment) })
  const kept =
    all.length <= most.comments ? all : all.sort(([a, x], [b, y]) => (`${x.at} ${a}` > `${y.at} ${b}` ? -1 : 1)).slice(0, most.comments)
  return { ...item, comments: Object.fromEntries(kept) }
}

export const item = stream('item', fact, { comments: {}, links: {}, voters: [] } as Item)({
  fold: 1,
  asks,
  tells,
  evolve: {
    submitted: (item, { text, version, requester, channel, external, repository, service }, { at }) => ({
      ...item,
      first: item.first && item.first.at <= at ? item.first : { at, requester, channel, external, repository },
      latest: latest(item.latest, { at, text, version }),
      ...(service && { service: latest(item.service, { at, name: service }) }),
    }),
    placed: (item, { service }, { at }) => ({ ...item, service: latest(item.service, { at, name: service }) }),
    commented: (item, { comment, text, by }, { at }) => withComment(item, comment, { at, text, by }),
    linked: (item, { requirement }, { at }) => withLink(item, requirement, { at, linked: true }),
    unlinked: (item, { requirement }, { at }) => withLink(item, requirement, { at, linked: false }),
    asked_for: (item, { title, service }, { at }) => ({ ...item, asked: latest(item.asked, { at, title, service }) }),
    voted: (item, { requester }) => ({ ...item, voters: [...new Set([...item.voters, requester])].sort().slice(0, most.voters) }),
    answered: (item, { text, by }, { at }) => ({ ...item, answer: latest(item.answer, { at, text, by }) }),
  },
  phase: itemPhase,
  closed: ['answered'],
  keys: {
    submitted: ({ first }) => (first ? ['submitted'] : []),
    service: (item) => {
      const service = serviceOf(item)
      return service ? [service] : []
    },
    requirement: requirementsOf,
    /** Waits for the catalog to say which service its repository belongs to. */
    unplaced: ({ first, service }) => (first?.repository && !service ? [first.repository] : []),
  },
  loops: requirementsOf,
})
