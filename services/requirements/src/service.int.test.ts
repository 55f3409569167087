import { signal } from '@rondo/contracts/operations'
import type { Envelope } from '@rondo/kernel'
import { migrate, type OpenLedger, openLedger } from '@rondo/ledger'
import { as, runServices, type ServicesRun } from '@rondo/runtime/rig'
import { freshDatabase, needs } from '@rondo/testkit'
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest'
import { idsOf } from './evidence.ts'
import { reactions } from './reactions.ts'
import { requirement } from './requirement.ts'
import { requirements } from './service.ts'

const needed = needs('postgres18')

const operability = { owner: 'team-shop', runbook: 'https://runbooks.example.org/shop', objective: 'checkout 99.9 %' }
const refinement = { goal: 'checkout works', acceptance: ['no 500'], operability, designs: [] }

describe('over gRPC', () => {
  let process: ServicesRun
  needed.beforeAll(async () => {
    process = await runServices([requirements], { env: { RONDO_DATABASE_URL: await freshDatabase() } })
  })
  afterEach((context) => {
    if (context.task.result?.state === 'fail') console.log(process?.log.join(''))
  })
  afterAll(() => process?.stop())
  const call = (method: string, request: object, role: Parameters<typeof as>[0] = 'product_owner', messageId?: string) =>
    process.channels.call('requirements', `rondo.requirements.v1.Requirements/${method}`, { ...request }, { ...as(role), messageId })
  const raise = (requirement_id: string, rest: object = {}) =>
    call('Raise', { requirement_id, title: `title of ${requirement_id}`, service: 'shop', ...rest })

  test('a requirement is raised, refined, made ready, and says what it waits for', async () => {
    expect(await raise('T1-1')).toEqual({ requirement_id: 'T1-1', version: '1' })
    await expect(call('MakeReady', { requirement_id: 'T1-1' })).rejects.toMatchObject({
      code: 'wrong_phase',
      details: {
        from: 'draft',
        to: 'ready',
        missing: ['goal', 'acceptance', 'operability.owner', 'operability.runbook', 'operability.objective'],
      },
    })
    await call('Refine', { requirement_id: 'T1-1', ...refinement })
    await call('MakeReady', { requirement_id: 'T1-1' })
    expect(await call('GetRequirement', { requirement_id: 'T1-1' }, 'auditor')).toMatchObject({
      summary: { phase: 'ready', title: 'title of T1-1', version: '3', waits_for: { what: 'a change that names it', whom: 'developer' } },
      goal: 'checkout works',
      acceptance: ['no 500'],
      operability,
      origin_kind: 'person',
      origin_id: 'person:product_owner',
    })
  })

  test('an id is made where none is brought, the same for the same message', async () => {
    const first = (await raise('', {})) as { requirement_id: string }
    expect(first.requirement_id).toMatch(/^REQ-[0-9A-F]{8}$/)
    const once = await call('Raise', { title: 't', service: 'shop' }, 'reporter', 'm-1')
    expect(await call('Raise', { title: 't', service: 'shop' }, 'reporter', 'm-1')).toEqual(once)
    await expect(call('Raise', { title: 'other', service: 'shop' }, 'reporter', 'm-1')).rejects.toMatchObject({ code: 'id_reused' })
  })

  test('what it holds itself does not refuse a message that is sent again, one after the other or at once', async () => {
    const imported = (requirement_id: string, origin_id: string, messageId: string) =>
      call('Raise', { requirement_id, title: 't', service: 'shop', origin_kind: 'import', origin_id }, 'reporter', messageId)
    const once = await imported('T2-1', 'github.com/7#1', 'm-2')
    expect(await imported('T2-1', 'github.com/7#1', 'm-2')).toEqual(once)
    await expect(imported('T2-2', 'github.com/7#1', 'm-3')).rejects.toMatchObject({ code: 'already_exists' })
    await expect(imported('T2-1', 'github.com/7#2', 'm-2')).rejects.toMatchObject({ code: 'id_reused' })
    const atOnce = await Promise.all(Array.from({ length: 8 }, () => imported('T2-3', 'github.com/7#3', 'm-4')))
    expect(atOnce).toEqual(Array.from({ length: 8 }, () => ({ requirement_id: 'T2-3', version: '1' })))
  })

  test('what is wrong is refused with its place', async () => {
    await raise('T3-1')
    const bad = [
      ['Raise', { requirement_id: '1 2', title: 't', service: 's' }, 'invalid', 'requirement_id'],
      ['Raise', { requirement_id: 'T3-1', title: 't', service: 's' }, 'already_exists', 'requirement_id'],
      ['Raise', { title: ' ', service: 's' }, 'invalid', 'title'],
      ['Raise', { title: 't', service: 's', origin_kind: 'dream' }, 'invalid', 'origin_kind'],
      ['Raise', { title: 't', service: 's', origin_kind: 'import' }, 'invalid', 'origin_id'],
      ['Refine', { requirement_id: 'T3-1', goal: 'g', acceptance: [] }, 'invalid', 'acceptance'],
      ['GetRequirement', { requirement_id: 'REQ-404' }, 'not_found', 'requirement_id'],
      ['Merge', { requirement_id: 'T3-1', into_requirement_id: 'REQ-404', reason: 'r' }, 'not_found', 'into_requirement_id'],
      ['Merge', { requirement_id: 'T3-1', into_requirement_id: 'T3-1', reason: 'r' }, 'invalid', 'into_requirement_id'],
      ['ListRequirements', { order: 'magic' }, 'invalid', 'order'],
      ['ListRequirements', { page_token: 'nonsense' }, 'invalid', 'page_token'],
    ] as const
    for (const [method, request, code, path] of bad)
      await expect(call(method, request), `${method} ${path}`).rejects.toMatchObject({ code, details: { path } })
    await expect(call('Decline', { requirement_id: 'T3-1', reason: 'no' }, 'reporter')).rejects.toMatchObject({ code: 'forbidden' })
  })

  test('a merge that leads back is refused, and one is taken back', async () => {
    await raise('T4-1')
    await raise('T4-2')
    await call('Merge', { requirement_id: 'T4-1', into_requirement_id: 'T4-2', reason: 'same' })
    await expect(call('Merge', { requirement_id: 'T4-2', into_requirement_id: 'T4-1', reason: 'same' })).rejects.toMatchObject({
      code: 'invalid',
    })
    expect(await call('GetRequirement', { requirement_id: 'T4-1' })).toMatchObject({ summary: { phase: 'merged' }, merged_into: 'T4-2' })
    await call('Unmerge', { requirement_id: 'T4-1' })
    expect(await call('GetRequirement', { requirement_id: 'T4-1' })).toMatchObject({ summary: { phase: 'draft' }, merged_into: '' })
  })

  test('an import is raised once', async () => {
    await raise('T5-1', { origin_kind: 'import', origin_id: 'JIRA-7' })
    await expect(raise('T5-2', { origin_kind: 'import', origin_id: 'JIRA-7' })).rejects.toMatchObject({
      code: 'already_exists',
      message: expect.stringContaining('T5-1'),
    })
  })

  test('the backlog comes by pin, then impact, page by page', async () => {
    for (const id of ['T6-1', 'T6-2', 'T6-3', 'T6-4', 'T6-5']) await raise(id, { service: 'backlog' })
    await call('Pin', { requirement_id: 'T6-5', rank: 1 })
    await call('Decline', { requirement_id: 'T6-2', reason: 'no' })
    const pages: string[][] = []
    let page_token = ''
    do {
      const page = (await call('ListRequirements', { service: 'backlog', phase: 'open', page_size: 2, page_token }, 'auditor')) as {
        requirements: { requirement_id: string }[]
        next_page_token: string
      }
      pages.push(page.requirements.map(({ requirement_id }) => requirement_id))
      page_token = page.next_page_token
    } while (page_token)
    expect(pages).toEqual([
      ['T6-5', 'T6-1'],
      ['T6-3', 'T6-4'],
    ])
    const ids = async (request: object) =>
      ((await call('ListRequirements', request)) as { requirements: { requirement_id: string }[] }).requirements.map(
        ({ requirement_id }) => requirement_id,
      )
    expect(await ids({ service: 'backlog', phase: 'declined' })).toEqual(['T6-2'])
    expect(await ids({ service: 'nobody' })).toEqual([])
    expect(await ids({ service: 'backlog', order: 'occurred_at desc', page_size: 2 })).toEqual(['T6-5', 'T6-4'])
  })

  test('only a named person verifies', async () => {
    await raise('T7-1')
    await expect(call('Verify', { requirement_id: 'T7-1', reason: 'looked' })).rejects.toMatchObject({
      code: 'wrong_phase',
      details: { missing: expect.arrayContaining(['released']) },
    })
  })
})

describe('two processes that see signals of one problem at once', () => {
  let ledgers: OpenLedger[] = []
  beforeEach(async () => {
    if (!needed.met) return
    const ownerUrl = await freshDatabase()
    const role = 'rondo_requirements'
    await migrate(ownerUrl, { service: 'requirements', role })
    const url = new URL(ownerUrl)
    url.username = role
    ledgers = await Promise.all(
      [1, 2].map(() => openLedger({ service: 'requirements', streams: [requirement], database: url.href, connections: 4 })),
    )
  })
  afterEach(async () => {
    await Promise.all(ledgers.map((ledger) => ledger.close()))
  })

  test('raise one requirement, which all of them join', async () => {
    const [reaction] = reactions.filter(({ fact }) => fact.base === signal.opened.base)
    const seen = async (number: number) => {
      const ledger = ledgers[number % 2]!
      const data = {
        signal: `s-${number}`,
        problem: 'shop/errors',
        service: 'shop',
        title: 'errors',
        episode: '2026-01-01T00:00:00.000000Z',
      }
      const event = { id: `00000000-0000-5000-8000-${String(number).padStart(12, '0')}`, data } as Envelope
      const messages = async () => reaction!.react(event, await reaction!.read?.(event, ledger.read))
      const cause = { at: data.episode, actor: 'service:operations', correlationId: 'c', causationId: event.id }
      await ledger.submit({ id: event.id, hash: event.id, remember: true, messages: await messages(), cause, again: messages })
    }
    await Promise.all(Array.from({ length: 20 }, (_, number) => seen(number)))
    const { items } = await ledgers[0]!.read.list(requirement, {})
    expect(items).toHaveLength(1)
    expect(idsOf(items[0]!.state.signals)).toHaveLength(20)
  })
})
