import { expect, test } from 'vitest'
import { createTerminal } from '../terminal.ts'
import { timeline } from './loop.ts'

const nothing = { write: () => undefined }
const terminal = createTerminal(false, { out: nothing, err: nothing })
const event = (type: string, stream_id: string, data: object) => ({
  event_id: 'e',
  service: type.split('.')[1] ?? '',
  stream: type.split('.')[2] ?? '',
  stream_id,
  version: '1',
  position: '1',
  type,
  schema_version: 1,
  data_json: JSON.stringify(data),
  occurred_at: '2026-11-25T09:00:00.061789Z',
  recorded_at: '2026-11-25T09:00:01.000000Z',
  actor: 'person:grace@example.org',
  correlation_id: 'c',
  causation_id: 'c',
  traceparent: '',
  loop_ids: ['REQ-1'],
})
const turn = {
  requirement_id: 'REQ-1',
  phase: 'verified',
  title: 'Payments time out',
  events: [
    event('rondo.releases.release.approved', 'REL-1', { release: 'REL-1', content_hash: `sha256:${'a'.repeat(64)}` }),
    event('rondo.feedback.entry.published', 'x', { title: 'a copy' }),
    event('rondo.operations.proof.judged', 'PRF-1', { reasons: [], verdict: 'verified', bound: 0.45005875865467543 }),
  ],
  unreachable: ['feedback'],
}

test('who, what, when, on which evidence; copies left out, and what could not be reached named', () => {
  expect(timeline(terminal, turn)).toBe(`REQ-1  Payments time out  verified

  2026-11-25 09:00:00  release approved             releases     person:grace@example.org
    REL-1: content hash sha256:aaaaaaaaaaaa…
  2026-11-25 09:00:00  proof judged                 operations   person:grace@example.org
    PRF-1: verdict verified, bound 0.4501
  1 more are bookkeeping between the services; --all shows them
  not reached, so their part is missing: feedback
`)
})

test('--all leaves nothing out', () => expect(timeline(terminal, turn, true)).toContain('entry published'))
