import { createHash } from 'node:crypto'
import type { Ask, Envelope, Fact, Instant, Tell } from '@rondo/kernel'
import { migrate, type OpenLedger, openLedger } from '@rondo/ledger'
import type { Builds } from '@rondo/proto/builds'
import type { Reaction } from '@rondo/reaction'
import { freshDatabase } from '@rondo/testkit'
import { rpc } from '../src/rpc.ts'
import { builds } from '../src/service.ts'

const role = 'rondo_builds'
const target = { service: builds.name, role, ...(builds.migrations ? { migrations: builds.migrations } : {}) }

/** The service on a real ledger; its own facts come back to it in an order that the test chooses. */
export interface World {
  readonly ledger: OpenLedger
  /** One fact from outside; the same id again is a duplicate. */
  outside(fact: Fact, happened: { readonly at: Instant; readonly id?: string; readonly actor?: string }): Promise<void>
  /** Until no own fact is left that was not reacted to. */
  settle(): Promise<void>
  ask(name: keyof Builds, request: object, actor?: string): Promise<void>
  query<Name extends keyof Builds>(name: Name, request: object): Promise<Builds[Name]['response']>
  close(): Promise<void>
}

const hashOf = (value: unknown) => createHash('sha256').update(JSON.stringify(value)).digest('hex')

async function react(reactions: readonly Reaction[], event: Envelope, { read }: OpenLedger): Promise<readonly Tell[]> {
  const own = reactions.filter(({ fact }) => fact.base === event.type)
  const tells: Tell[] = []
  for (const reaction of own) tells.push(...reaction.react(event, await reaction.read?.(event, read)))
  return tells
}

async function apply(ledger: OpenLedger, event: Envelope, remember: boolean): Promise<void> {
  const again = () => react(builds.reactions, event, ledger)
  const cause = { at: event.occurredAt, actor: event.actor, correlationId: event.correlationId, causationId: event.id }
  await ledger.submit({ id: event.id, hash: hashOf(event.data), remember, messages: await again(), cause, again })
}

export async function openDatabase(): Promise<string> {
  const ownerUrl = await freshDatabase({ template: { name: 'builds', prepare: (url) => migrate(url, target) } })
  await migrate(ownerUrl, target)
  const url = new URL(ownerUrl)
  url.username = role
  return url.href
}

/** `pick` chooses which of the waiting own facts come next; all of them are reacted to at once. */
export async function openWorld(
  pick: (waiting: readonly Envelope[]) => readonly Envelope[] = (waiting) => waiting.slice(0, 1),
): Promise<World> {
  const ledger = await openLedger({
    service: builds.name,
    streams: builds.streams,
    views: builds.views ?? [],
    database: await openDatabase(),
    connections: 6,
  })
  let waiting: readonly Envelope[] = []
  let position = 0
  async function settle() {
    for (;;) {
      const more = await ledger.events(position, 1000)
      position = more.at(-1)?.position ?? position
      waiting = [...waiting, ...more]
      if (waiting.length === 0) return
      const next = pick(waiting)
      waiting = waiting.filter((event) => !next.includes(event))
      await Promise.all(next.map((event) => apply(ledger, event, false)))
    }
  }
  let asked = 0
  return {
    ledger,
    settle,
    async outside(fact, { at, id = hashOf([fact, at]), actor = 'person:ada' }) {
      const type = fact.type.replace(/\.v\d+$/, '')
      await apply(
        ledger,
        {
          id,
          stream: 'intake',
          streamId: id,
          version: 1,
          position: 0,
          partition: 0,
          type,
          schemaVersion: 1,
          data: fact.data,
          occurredAt: at,
          recordedAt: at,
          actor,
          correlationId: id,
          causationId: id,
          loopIds: [],
        },
        true,
      )
    },
    async ask(name, request, actor = 'person:dora') {
      const row = rpc[name]
      if (!row || !('ask' in row)) throw new TypeError(`${name} is no ask`)
      const message: Ask = await row.ask(row.request.parse(request), { actor, roles: ['admin'] }, ledger.read)
      const id = `ask-${++asked}`
      await ledger.submit({ id, hash: id, remember: true, messages: [message], cause: { actor, correlationId: id, causationId: id } })
    },
    async query(name, request) {
      const row = rpc[name]
      if (!row || !('query' in row)) throw new TypeError(`${name} is no query`)
      return row.query(row.request.parse(request), ledger.read, { actor: 'person:dora', roles: ['admin'] }) as Promise<
        Builds[typeof name]['response']
      >
    },
    close: () => ledger.close(),
  }
}
