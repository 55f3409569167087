import { readFileSync } from 'node:fs'
import { needs, shared, sharedMissing } from '@rondo/testkit'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Answer } from '../rig/client.ts'
import { type Rondo, startRondo } from '../rig/rondo.ts'

const { met } = needs('postgres18', { also: sharedMissing('corpus') })
let rondo: Rondo
let bearer: string
beforeAll(async () => {
  if (!met) return
  rondo = await startRondo()
  bearer = `Bearer ${await rondo.token('service:conformance', 'reporter')}`
})
afterAll(() => rondo?.stop())

interface File {
  readonly file: string
  readonly expected: string
  readonly bytes: () => Buffer
}
const corpus = (kind: string, wanted: (file: string, expected: string) => boolean): readonly File[] =>
  readFileSync(shared('corpus', 'INDEX.tsv'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => line.split('\t'))
    .filter(([of, file = '', expected = '']) => of === kind && wanted(file, expected))
    .map(([, file = '', expected = '']) => ({ file, expected, bytes: () => readFileSync(shared('corpus', kind, file)) }))

/** What became of a file: `accepted`, or the code of its refusal, which must say why. */
function fateOf(file: string, { status, body }: Answer): string {
  if (status === 202 || status === 200) {
    const refused = body.results?.find((one: { status: string }) => one.status === 'refused')
    return refused ? refused.code : 'accepted'
  }
  expect(status, file).toBeLessThan(500)
  expect(body, file).toMatchObject({ code: expect.any(String), detail: expect.stringMatching(/\w+ \w+/), status })
  return body.code
}
async function fates(files: readonly File[], send: (file: File) => Promise<Answer>): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  for (const one of files) found.set(one.file, fateOf(one.file, await send(one)))
  return found
}
const tally = (found: ReadonlyMap<string, string>) => {
  const counted: Record<string, number> = {}
  for (const fate of found.values()) counted[fate] = (counted[fate] ?? 0) + 1
  return counted
}
const post = (path: string, body: Uint8Array, headers: Readonly<Record<string, string>>) =>
  rondo.send('POST', path, { body, headers: { authorization: bearer, ...headers } })

describe('every file of the corpus through the public edge', () => {
  test('GitHub webhooks', async () => {
    const files = corpus('github-webhooks', (file) => file.endsWith('.json'))
    const found = await fates(files, ({ file, bytes }) => rondo.github(file.split('/').at(-2) ?? '', bytes().toString()))
    expect(tally(found)).toEqual({ accepted: 21, unsupported: 25 })
  })

  const cdevents = () => corpus('cdevents', (_, expected) => expected === 'valid')
  test('CDEvents in structured mode', async () => {
    const found = await fates(cdevents(), ({ bytes, file }) => {
      const data = JSON.parse(bytes().toString()) as { context: { id: string; source: string; type: string; timestamp: string } }
      // The examples of all versions share one id; here each is an event of its own
      const id = `${data.context.id}/${file}`
      const { source, type, timestamp } = data.context
      const event = {
        specversion: '1.0',
        id,
        source,
        type,
        time: timestamp,
        datacontenttype: 'application/json',
        data: { ...data, context: { ...data.context, id } },
      }
      return post('/v1/events', Buffer.from(JSON.stringify(event)), { 'content-type': 'application/cloudevents+json' })
    })
    expect(tally(found)).toEqual({ accepted: 36, unsupported: 58 })
  })

  test('CDEvents in binary mode', async () => {
    const found = await fates(cdevents(), ({ bytes, file }) => {
      const data = JSON.parse(bytes().toString()) as { context: { id: string; source: string; type: string } }
      const id = `binary/${data.context.id}/${file}`
      const headers = {
        'content-type': 'application/json',
        'ce-specversion': '1.0',
        'ce-id': encodeURIComponent(id),
        'ce-source': data.context.source,
        'ce-type': data.context.type,
      }
      return post('/v1/events', Buffer.from(JSON.stringify({ ...data, context: { ...data.context, id } })), headers)
    })
    expect(tally(found)).toEqual({ accepted: 36, unsupported: 58 })
  })

  test('CloudEvents of the specification: what is no CDEvent is unsupported, what is no event invalid', async () => {
    const files = corpus('cloudevents', (file) => /json-format.*\.(json|txt)$/.test(file))
    const found = await fates(files, ({ bytes }) => {
      const text = bytes().toString()
      const type = text.trim().startsWith('[') ? 'application/cloudevents-batch+json' : 'application/cloudevents+json; charset=UTF-8'
      return post('/v1/events', bytes(), { 'content-type': type })
    })
    for (const [file, fate] of found) expect(['unsupported', 'invalid', 'accepted'], file).toContain(fate)
    expect(found.size).toBe(7)
  })

  test('an empty batch is a batch', async () => {
    const { status, body } = await post('/v1/events', Buffer.from('[]'), { 'content-type': 'application/cloudevents-batch+json' })
    expect({ status, body }).toEqual({ status: 202, body: { results: [] } })
  })

  test('Alertmanager notifications; what other tools send is refused with a reason', async () => {
    const found = await fates(
      corpus('alerts', (file) => file.endsWith('.json')),
      ({ bytes }) => post('/v1/webhooks/alertmanager', bytes(), { 'content-type': 'application/json' }),
    )
    expect(found.get('zulip__zulip/alertmanager/alert.json')).toBe('accepted')
    expect(found.get('zulip__zulip/alertmanager/single_alert_no_url.json')).toBe('accepted')
    expect(found.get('target__goalert/alertmanager-1.json')).toBe('unsupported')
    expect(tally(found)).toEqual({ accepted: 2, unsupported: 2, invalid: 12 })
  })

  test('JUnit reports', async () => {
    const artifact = `sha256:${'ab'.repeat(32)}`
    const files = corpus(
      'ci-reports',
      (file, expected) => /^(EnricoMi|dorny|jenkinsci).*\.(xml|trx)$/.test(file) && /^(in)?valid$/.test(expected),
    )
    const found = await fates(files, ({ bytes }) =>
      post(`/v1/evidence/junit?artifact=${artifact}`, bytes(), { 'content-type': 'application/xml' }),
    )
    for (const { file, expected } of files) if (expected === 'invalid') expect(found.get(file), file).toBe('invalid')
    expect(tally(found)).toEqual({ accepted: 39, unsupported: 19, invalid: 2 })
  })

  test('whatever was accepted had its effect: nothing is parked, nothing stands still', async () => {
    await rondo.settled()
    const { body } = await rondo.rpc('rondo.ledger.v1.Ledger/Status', { service: '' })
    for (const { service, parked_keys, paused_partitions } of body.services)
      expect({ service, parked_keys, paused_partitions }).toEqual({ service, parked_keys: [], paused_partitions: [] })
    expect((await rondo.send('GET', '/readyz')).status).toBe(200)
  })
})
