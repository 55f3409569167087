import { requirement } from '@rondo/contracts/requirements'
import type { Fact } from '@rondo/kernel'
import { as, runServices, type ServicesRun, speaker } from '@rondo/runtime/rig'
import { eventually, freshDatabase, needs } from '@rondo/testkit'
import pg from 'pg'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { feedback } from './service.ts'

const needed = needs('postgres18')
const requirements = speaker('requirements', { requirement })
let process: ServicesRun
let database: pg.Client
needed.beforeAll(async () => {
  const url = await freshDatabase()
  process = await runServices([requirements.service, feedback], { env: { RONDO_DATABASE_URL: url } })
  database = new pg.Client({ connectionString: url })
  await database.connect()
})
afterEach((context) => {
  if (context.task.result?.state === 'fail') console.log(process?.log.join(''))
})
afterAll(async () => {
  await database?.end()
  await process?.stop()
})

type Answer = Record<string, unknown>
const call = (method: string, request: Answer, role: Parameters<typeof as>[0] = 'product_owner') =>
  process.channels.call('feedback', `rondo.feedback.v1.Feedback/${method}`, request, as(role)) as Promise<Answer>
const tell = (requirement_id: string, fact: Fact) => requirements.say('requirement', requirement_id, new Date().toISOString(), fact)
const raised = (title: string) => requirement.raised({ title, service: 'shop', origin: { kind: 'person', id: 'person:ada' } })
const production = {
  service: 'shop',
  environment: 'production',
  artifact: `sha256:${'1'.repeat(64)}`,
  production: true,
  at: '2026-01-01T00:00:00.000000Z',
  basis: 0,
}
const submit = (item_id: string, rest: Answer = {}) =>
  call('Submit', { item_id, service: 'shop', text: `text of ${item_id}`, requester_id: `requester of ${item_id}`, ...rest }, 'reporter')
const notices = async (requirement_id: string) => (await call('ListNotices', { requirement_id })).notices as Answer[]

/** The first entries of a subscription, which is then closed. */
async function entries(request: Answer, count: number): Promise<Answer[]> {
  const end = new AbortController()
  const seen: Answer[] = []
  for await (const entry of process.channels.stream('feedback', 'rondo.feedback.v1.Feedback/Subscribe', request, {
    ...as('product_owner'),
    signal: end.signal,
  })) {
    seen.push(entry)
    if (seen.length === count) break
  }
  end.abort()
  return seen
}

describe('feedback', () => {
  test('is submitted, voted for, linked; and its requesters are told when it is verified', async () => {
    expect(await submit('A-1')).toEqual({ item_id: 'A-1', version: '1', contact: '' })
    await call('Vote', { item_id: 'A-1', requester_id: 'r-2' }, 'reporter')
    await tell('REQ-A', raised('checkout fails'))
    await call('Link', { item_id: 'A-1', requirement_id: 'REQ-A' })
    expect(await call('GetItem', { item_id: 'A-1' }, 'auditor')).toMatchObject({
      item: { phase: 'linked', requirement_ids: ['REQ-A'], votes: 1, requester_id: 'requester of A-1' },
    })
    await tell('REQ-A', requirement.entered(production))
    await tell('REQ-A', requirement.verified({ proof: 'p-1', reason: 'silent under traffic' }))
    const told = await eventually(
      async () => ((found) => found.length === 2 && found.every(({ delivered_at }) => delivered_at) && found)(await notices('REQ-A')),
      { within: 20_000 },
    )
    expect(told).toMatchObject([
      { kind: 'verified', text: '"checkout fails" is verified in production', via: 'feedback stream' },
      { kind: 'verified' },
    ])
    const lines = await entries({ from: 'start', requirement_id: 'REQ-A' }, 5)
    expect(lines.map(({ kind, phase }) => [kind, phase])).toEqual([
      ['requirement', 'draft'],
      ['requirement', 'released'],
      ['requirement', 'verified'],
      ['notice', ''],
      ['notice', ''],
    ])
  })

  test('can be erased as far as persons go, and the history stays', async () => {
    await submit('B-1', { contact: { name: 'Ada', address: 'ada@example.org' } })
    const contacts = async () => (await database.query('select name from feedback.contact where requester = $1', ['requester of B-1'])).rows
    expect(await contacts()).toEqual([{ name: 'Ada' }])
    const events = await database.query("select count(*)::int as n from feedback.event where data::text like '%ada@example.org%'")
    expect(events.rows).toEqual([{ n: 0 }])
    await eventually(() => call('EraseRequester', { requester_id: 'requester of B-1' }), { within: 20_000 })
    expect(await contacts()).toEqual([])
    expect(await call('GetItem', { item_id: 'B-1' })).toMatchObject({ item: { text: 'text of B-1' } })
    await tell('REQ-B', raised('b'))
    await call('Link', { item_id: 'B-1', requirement_id: 'REQ-B' })
    await tell('REQ-B', requirement.declined({ reason: 'no', by: 'person:ada' }))
    await entries({ from: 'start', requirement_id: 'REQ-B', kinds: ['requirement'] }, 2)
    expect(await notices('REQ-B')).toEqual([])
  })

  describe('the contact of a requester', () => {
    const contactOf = async (requester: string) =>
      (await database.query('select name from feedback.contact where requester = $1', [requester])).rows.map(({ name }) => name)
    const bring = async (item_id: string, requester_id: string, name: string, { role = 'reporter', messageId }: Bringing = {}) => {
      const request = { item_id, service: 'shop', text: 'too slow', requester_id, contact: { name, address: `${name}@example.org` } }
      const options = { ...as(role), messageId }
      return (await process.channels.call('feedback', 'rondo.feedback.v1.Feedback/Submit', request, options)).contact
    }
    interface Bringing {
      role?: Parameters<typeof as>[0]
      messageId?: string
    }

    test('is stored with the report or not at all', async () => {
      expect(await bring('G-1', 'g', 'Ada')).toBe('stored')
      await expect(bring('G-1', 'g-2', 'Mallory')).rejects.toMatchObject({ code: 'already_exists' })
      expect(await contactOf('g-2')).toEqual([])
    })

    test('comes once: the same message again, after it was erased, brings nothing back', async () => {
      const messageId = 'message-of-h'
      expect(await bring('H-1', 'h', 'Ada', { messageId })).toBe('stored')
      expect(await bring('H-1', 'h', 'Ada', { messageId })).toBe('stored')
      await eventually(() => call('EraseRequester', { requester_id: 'h' }), { within: 20_000 })
      await bring('H-1', 'h', 'Ada', { messageId })
      expect(await contactOf('h')).toEqual([])
      await bring('H-2', 'h', 'Ada')
      await call('EraseRequester', { requester_id: 'h' })
      expect(await contactOf('h')).toEqual([])
    })

    test('is replaced by the requester and by those who answer for feedback; from others the report is taken and it stays', async () => {
      expect(await bring('I-1', 'person:auditor', 'Ada')).toBe('stored')
      expect(await bring('I-2', 'person:auditor', 'Mallory')).toBe('kept')
      expect(await bring('I-3', 'person:auditor', 'Mallory', { role: 'operator' })).toBe('kept')
      expect(await contactOf('person:auditor')).toEqual(['Ada'])
      expect(await call('GetItem', { item_id: 'I-2' })).toMatchObject({ item: { requester_id: 'person:auditor' } })
      expect(await bring('I-4', 'person:auditor', 'Ada L.', { role: 'auditor' })).toBe('stored')
      // nobody learns by guessing what another one gave
      expect(await bring('I-5', 'person:auditor', 'Ada L.')).toBe('kept')
      expect(await bring('I-6', 'person:auditor', 'Ada K.', { role: 'product_owner' })).toBe('stored')
      expect(await contactOf('person:auditor')).toEqual(['Ada K.'])
    })

    test('of two that come first at once one is stored', async () => {
      const names = ['Ada', 'Grace', 'Alan', 'Edsger']
      const outcomes = await Promise.all(
        names.map((name, index) => bring(`J-${index}`, 'j', name, { role: index % 2 ? 'operator' : 'reporter' })),
      )
      const [stored] = await contactOf('j')
      expect(outcomes[names.indexOf(stored)]).toBe('stored')
      const events = await database.query("select count(*)::int as n from feedback.event where data::text ~ '(Ada|Grace|Alan|Edsger)@'")
      expect(events.rows).toEqual([{ n: 0 }])
    })
  })

  test('refuses with the place of what is wrong', async () => {
    await submit('C-1')
    const bad = [
      ['Submit', { item_id: 'C-1', service: 's', text: 't' }, 'already_exists', 'item_id'],
      ['Submit', { service: 's', text: '' }, 'invalid', 'text'],
      ['Submit', { service: 's', text: 't', channel: 'issue' }, 'invalid', 'channel'],
      ['GetItem', { item_id: 'C-404' }, 'not_found', 'item_id'],
      ['Link', { item_id: 'C-404', requirement_id: 'REQ-1' }, 'not_found', 'item_id'],
      ['EraseRequester', { requester_id: 'nobody' }, 'not_found', 'requester_id'],
      ['ListItems', { phase: 'gone' }, 'invalid', 'phase'],
    ] as const
    for (const [method, request, code, path] of bad)
      await expect(call(method, request), `${method} ${path}`).rejects.toMatchObject({ code, details: { path } })
    await expect(call('Link', { item_id: 'C-1', requirement_id: 'REQ-1' }, 'reporter')).rejects.toMatchObject({ code: 'forbidden' })
  })

  test('is listed by service, phase and requirement, page by page', async () => {
    for (const id of ['D-1', 'D-2', 'D-3']) await submit(id, { service: 'lists' })
    await call('Link', { item_id: 'D-2', requirement_id: 'REQ-D' })
    const list = async (request: Answer) => {
      const { items, next_page_token } = await call('ListItems', { service: 'lists', ...request })
      return { ids: (items as Answer[]).map(({ item_id }) => item_id), next: next_page_token }
    }
    const first = await list({ order: 'occurred_at', page_size: 2 })
    expect(first.ids).toEqual(['D-1', 'D-2'])
    expect(await list({ order: 'occurred_at', page_size: 2, page_token: first.next })).toEqual({ ids: ['D-3'], next: '' })
    expect((await list({ phase: 'linked' })).ids).toEqual(['D-2'])
    expect((await list({ requirement_id: 'REQ-D' })).ids).toEqual(['D-2'])
  })
})

describe('the feedback stream', () => {
  test('goes on after a cursor, and answers one that leads nowhere', async () => {
    for (const id of ['E-1', 'E-2', 'E-3']) await submit(id, { service: 'stream' })
    const all = await entries({ from: 'start', service: 'stream' }, 3)
    expect(all.map(({ text }) => text).sort()).toEqual(['text of E-1', 'text of E-2', 'text of E-3'])
    expect(await entries({ cursor: all[0]?.cursor, service: 'stream' }, 2)).toEqual(all.slice(1))
    const [epoch] = Buffer.from(String(all[0]?.cursor), 'base64url').toString().split('.')
    const cursor = (text: string) => Buffer.from(text).toString('base64url')
    await expect(entries({ cursor: cursor(`${epoch}.99999999`) }, 1)).rejects.toMatchObject({ code: 'stale_cursor' })
    await expect(entries({ cursor: cursor(`${Number(epoch) + 1}.1`) }, 1)).rejects.toMatchObject({ code: 'stale_cursor' })
    await expect(entries({ cursor: 'nonsense' }, 1)).rejects.toMatchObject({ code: 'invalid' })
    await expect(entries({ kinds: ['gossip'] }, 1)).rejects.toMatchObject({ code: 'invalid' })
  })

  test('begins now unless told, and is live', async () => {
    await submit('F-0', { service: 'live' })
    await entries({ from: 'start', service: 'live' }, 1)
    const seen: Answer[] = []
    const listening = entries({ service: 'live' }, 1).then((found) => seen.push(...found))
    let n = 0
    await eventually(
      async () => {
        n += 1
        await submit(`F-${n}`, { service: 'live' })
        return seen[0]
      },
      { within: 20_000, every: 100 },
    )
    await listening
    expect(seen[0]).toMatchObject({ kind: 'feedback', service: 'live', text: expect.not.stringContaining('F-0') })
  })
})
