import { artifact } from '@rondo/contracts/builds'
import { item as itemFact } from '@rondo/contracts/feedback'
import { issue } from '@rondo/contracts/intake'
import { incident, proof, service, signal } from '@rondo/contracts/operations'
import { requirement } from '@rondo/contracts/requirements'
import {
  type AnyStream,
  type Ask,
  ask,
  decide,
  type Envelope,
  evolve,
  type FactType,
  type Instant,
  type Message,
  plus,
  type StateOf,
} from '@rondo/kernel'
import type { Read, View } from '@rondo/reaction'
import { beforeEach, describe, expect, it } from 'vitest'
import { entry } from './entry.ts'
import { item } from './item.ts'
import { notice } from './notice.ts'
import { reactions } from './reactions.ts'
import { requester } from './requester.ts'
import { releaseNames, repositories } from './views/names.ts'

const start: Instant = '2026-01-01T00:00:00.000000Z'
const digest = `sha256:${'1'.repeat(64)}`

/** The reactions and streams without a ledger: what is told is decided and folded at once; own facts react in turn. */
class World {
  readonly states = new Map<string, { stream: AnyStream; id: string; version: number; state: unknown }>()
  readonly published: { readonly kind: string; readonly title: string; readonly phase?: string }[] = []
  readonly names = { services: {} as Record<string, string>, releases: {} as Record<string, string> }
  #events = 0

  readonly read: Read = {
    load: async <S extends AnyStream>(stream: S, id: string) =>
      (this.states.get(`${stream.name} ${id}`)?.state ?? stream.initial) as StateOf<S>,
    loadAll: async <S extends AnyStream>(stream: S, ids: readonly string[]) => this.#all<S>(stream).filter(({ id }) => ids.includes(id)),
    find: async <S extends AnyStream>(stream: S, key: keyof S['keys'] & string, values: readonly string[]) =>
      this.#all<S>(stream).filter(({ state }) => (stream.keys[key]?.(state) ?? []).some((value: string) => values.includes(value))),
    list: () => Promise.reject(new Error('reactions do not list')),
    view: <Queries>(view: View<Queries>) => this.#views.get(view as View) as Queries,
  }
  readonly #views = new Map<View, unknown>([
    [repositories as View, { serviceOf: async (repository: string) => this.names.services[repository] }],
    [releaseNames as View, { nameOf: async (digest: string) => this.names.releases[digest] }],
  ])
  #all<S extends AnyStream>(stream: S) {
    const all = [...this.states.values()].filter((known) => known.stream === stream)
    return all.map(({ id, version, state }) => ({ id, version, state: state as StateOf<S> })).sort((a, b) => (a.id < b.id ? -1 : 1))
  }

  async happened<Data>(fact: FactType<string, Data>, streamId: string, data: Data): Promise<void> {
    this.#events += 1
    await this.#react({
      id: `event-${this.#events}`,
      type: fact.base,
      streamId,
      data: fact.schema.parse(data),
      occurredAt: plus(start, this.#events * 60_000),
    } as Envelope)
  }
  async #react(event: Envelope): Promise<void> {
    for (const reaction of reactions.filter(({ fact }) => fact.base === event.type))
      for (const message of reaction.react(event, await reaction.read?.(event, this.read))) await this.#submit(message, event.occurredAt)
  }
  async ask(message: Ask): Promise<void> {
    this.#events += 1
    await this.#submit(message, plus(start, this.#events * 60_000))
  }
  async #submit(message: Message, at: Instant): Promise<void> {
    const key = `${message.stream.name} ${message.id}`
    const { version, state } = this.states.get(key) ?? { version: 0, state: message.stream.initial }
    const { facts, refused } = decide(message, state, { at, actor: 'person:ada', messageId: 'm', streamId: message.id })
    if (refused) throw refused
    const after = facts.reduce(
      (next, { verb, data }) =>
        evolve(message.stream, next, verb, message.stream.facts[verb].schema.parse(data), { id: 'x', at, actor: 'person:ada' }),
      state,
    )
    this.states.set(key, { stream: message.stream, id: message.id, version: version + facts.length, state: after })
    for (const { type, data } of facts) {
      if (message.stream === entry) this.published.push(data as World['published'][number])
      this.#events += 1
      await this.#react({
        id: `own-${this.#events}`,
        type: type.replace(/\.v\d+$/, ''),
        streamId: message.id,
        data,
        occurredAt: at,
      } as Envelope)
    }
  }

  notices = async () =>
    (await this.read.find(notice, 'requirement', ['REQ-1', 'REQ-2'])).map(({ id, state }) => [
      id,
      ...Object.keys(state.due),
      ...Object.keys(state.delivered),
    ])
}

const submit = (id: string, by: string) =>
  ask(item, id, 'submit', { service: 'shop', text: 'checkout fails', requester: by, channel: 'api' })
const link = (id: string) => ask(item, id, 'link', { requirement: 'REQ-1' })
const raised = { title: 'checkout fails', service: 'shop', origin: { kind: 'person' as const, id: 'person:ada' } }
const place = { service: 'shop', environment: 'production', artifact: digest, production: true, at: start, basis: 0 }
const later = (minutes: number) => ({ ...place, at: plus(start, minutes * 60_000) })
const issueSeen = {
  repository: { host: 'github.com', full_name: 'example/shop' },
  number: 7,
  state: 'open' as const,
  title: 'dark mode',
  body: 'please',
  reporter: 'unmapped:abc',
  labels: [],
}
const put = {
  service: 'shop',
  owner: 'team-shop',
  repositories: ['example/shop'],
  artifacts: [],
  alert_labels: {},
  environment_label: 'env',
  default_environment: 'production',
  problem_labels: [],
  proof: { kind: 'defect' as const, target_ratio: 0.5, deadline_days: 14 },
  by: 'person:ada',
}

let world: World
beforeEach(() => {
  world = new World()
})

describe('who asked', () => {
  const verified = { proof: 'p-1', reason: 'silent under traffic' }

  it('is told once when it is verified in production, by the name of the release', async () => {
    world.names.releases[digest] = '1.4.3'
    await world.ask(submit('i-1', 'r-1'))
    await world.ask(ask(item, 'i-1', 'vote', { requester: 'r-2' }))
    await world.ask(link('i-1'))
    await world.happened(requirement.raised, 'REQ-1', raised)
    await world.happened(requirement.entered, 'REQ-1', place)
    expect(await world.notices()).toEqual([])
    await world.happened(requirement.verified, 'REQ-1', verified)
    await world.happened(requirement.verified, 'REQ-1', verified)
    expect(await world.notices()).toEqual([
      ['REQ-1/r-1', 'verified', 'verified'],
      ['REQ-1/r-2', 'verified', 'verified'],
    ])
    expect((await world.read.load(notice, 'REQ-1/r-1')).due.verified).toMatchObject({
      text: '"checkout fails" is verified in production, in 1.4.3',
      release: '1.4.3',
    })
    expect(world.published.filter(({ kind }) => kind === 'notice')).toHaveLength(2)
  })

  it('is told when the link or the vote comes after the verdict', async () => {
    await world.ask(submit('i-1', 'r-1'))
    await world.happened(requirement.verified, 'REQ-1', verified)
    await world.ask(link('i-1'))
    await world.ask(ask(item, 'i-1', 'vote', { requester: 'r-2' }))
    expect((await world.notices()).map(([id]) => id)).toEqual(['REQ-1/r-1', 'REQ-1/r-2'])
  })

  it('waits while it is rolled back', async () => {
    await world.ask(submit('i-1', 'r-1'))
    await world.ask(link('i-1'))
    await world.happened(requirement.entered, 'REQ-1', place)
    await world.happened(requirement.left, 'REQ-1', later(1))
    await world.happened(requirement.verified, 'REQ-1', verified)
    expect(await world.notices()).toEqual([])
    await world.happened(requirement.entered, 'REQ-1', later(2))
    expect(await world.notices()).toHaveLength(1)
  })

  it('is told of a refusal and of a merge', async () => {
    await world.ask(submit('i-1', 'r-1'))
    await world.ask(link('i-1'))
    await world.happened(requirement.declined, 'REQ-1', { reason: 'too costly', by: 'person:ada' })
    await world.happened(requirement.merged, 'REQ-1', { into: 'REQ-2', reason: 'the same', by: 'person:ada' })
    expect(await world.notices()).toEqual([['REQ-1/r-1', 'declined', 'merged', 'declined', 'merged']])
  })

  it('follows what takes the requirement over', async () => {
    await world.ask(submit('i-1', 'r-1'))
    await world.ask(link('i-1'))
    await world.happened(requirement.requested, 'REQ-2', { item: 'i-1', requester: 'r-1', moved_from: 'REQ-1' })
    await world.happened(requirement.verified, 'REQ-2', verified)
    expect(await world.notices()).toEqual([['REQ-2/r-1', 'verified', 'verified']])
  })

  it('is not told of what was split away, nor once erased', async () => {
    await world.ask(submit('i-1', 'r-1'))
    await world.ask(link('i-1'))
    await world.ask(submit('i-2', 'r-2'))
    await world.ask(link('i-2'))
    await world.happened(requirement.split, 'REQ-1', { signals: [], items: ['i-1'], incidents: [], to: 'REQ-9', by: 'person:ada' })
    await world.ask(ask(requester, 'r-2', 'erase'))
    await world.happened(requirement.verified, 'REQ-1', verified)
    expect(await world.notices()).toEqual([])
  })
})

describe('issues', () => {
  it('become items, of the service that the catalog says, whichever comes first', async () => {
    await world.happened(issue.observed, 'x', issueSeen)
    await world.happened(issue.commented, 'x', {
      repository: issueSeen.repository,
      number: 7,
      comment: 'c-1',
      body: 'me too',
      author: 'person:grace',
    })
    await world.happened(service.put, 'shop', put)
    const known = await world.read.load(item, 'github.com/example/shop#7')
    expect(known).toMatchObject({
      service: { name: 'shop' },
      latest: { text: 'dark mode\n\nplease' },
      comments: { 'c-1': { text: 'me too' } },
    })
    world.names.services['example/shop'] = 'shop'
    await world.happened(issue.observed, 'x', { ...issueSeen, number: 8 })
    expect(await world.read.load(item, 'github.com/example/shop#8')).toMatchObject({ service: { name: 'shop' } })
  })
})

describe('the feedback stream', () => {
  it('says what was seen and what became of it', async () => {
    const seen = {
      service: 'shop',
      environment: 'production',
      problem: 'p',
      signal: 's-1',
      kind: 'alert' as const,
      fingerprint: 'f',
      title: 'CheckoutErrors',
      source: 'am',
      episode: start,
    }
    await world.happened(signal.opened, 's-1', seen)
    await world.happened(incident.declared, 'INC-1', {
      incident: 'INC-1',
      service: 'shop',
      severity: 'high',
      title: 'shop is down',
      began_at: start,
      signals: [],
      environment: 'production',
      owner: 'team',
      by: 'person:ada',
    })
    await world.happened(requirement.raised, 'REQ-1', raised)
    await world.happened(requirement.readied, 'REQ-1', { by: 'person:ada' })
    await world.happened(requirement.entered, 'REQ-1', { ...place, production: false })
    const counts = { events: 0, exposure: 1, unit: 'requests' as const, from: start, to: start, event_ids: [] }
    await world.happened(proof.judged, 'p-1', {
      proof: 'p-1',
      requirement: 'REQ-1',
      service: 'shop',
      verdict: 'verified',
      reason: 'silent',
      before: counts,
      after: counts,
      bound: 0.1,
      target_ratio: 0.5,
      artifacts: [],
      query: 'q',
    })
    await world.ask(submit('i-1', 'r-1'))
    expect(world.published.map(({ kind, title, phase }) => [kind, title, phase])).toEqual([
      ['signal', 'CheckoutErrors', undefined],
      ['incident', 'shop is down', undefined],
      ['requirement', 'checkout fails', 'draft'],
      ['requirement', 'checkout fails', 'ready'],
      ['proof', 'verified: checkout fails', undefined],
      ['feedback', 'checkout fails', undefined],
    ])
  })

  it('has one line for an item, however often it is edited', async () => {
    await world.happened(issue.observed, 'x', issueSeen)
    await world.happened(issue.observed, 'x', { ...issueSeen, title: 'dark mode!' })
    expect(world.published).toHaveLength(1)
  })

  it('projects what people call an artifact', () => {
    const facts = [repositories, releaseNames].flatMap(({ on }) => on.map(({ fact }) => fact.base))
    expect(facts).toEqual(expect.arrayContaining([service.put.base, artifact.observed.base]))
    expect(itemFact.submitted.base).toBe('rondo.feedback.item.submitted')
  })
})
