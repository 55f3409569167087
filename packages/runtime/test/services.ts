// Two small services: things are noted in one, and counted by the reaction of the other.
import { facts, refuse, stream, tell } from '@rondo/kernel'
import { loadProtos } from '@rondo/proto'
import { when } from '@rondo/reaction'
import protobuf from 'protobufjs'
import { z } from 'zod'
import { rpcs } from '../src/index.ts'
import type { Service } from '../src/service.ts'

const proto = (service: string, body: string) => `
  syntax = "proto3";
  package rondo.${service}.v1;
  ${body}
`
const things = proto(
  'things',
  `service Things {
    rpc Note(NoteRequest) returns (NoteResponse);
    rpc Get(GetRequest) returns (GetResponse);
    rpc Watch(WatchRequest) returns (stream WatchResponse);
    rpc Sum(stream SumRequest) returns (stream SumResponse);
    rpc Break(GetRequest) returns (GetResponse);
  }
  enum Colour { COLOUR_UNSPECIFIED = 0; COLOUR_RED = 1; }
  message NoteRequest { string thing_id = 1; string text = 2; Colour colour = 3; int32 copies = 4; }
  message NoteResponse { string thing_id = 1; int64 version = 2; }
  message GetRequest { string thing_id = 1; }
  message GetResponse { string thing_id = 1; repeated string texts = 2; }
  message WatchRequest { bool from_start = 1; }
  message WatchResponse { string text = 1; int64 position = 2; }
  message SumRequest { int32 number = 1; }
  message SumResponse { int64 sum = 1; string refused = 2; }
  message NewerNoteRequest { string thing_id = 1; string text = 2; int32 colour = 3; string added_later = 9; }`,
)
const counts = proto(
  'counts',
  `service Counts { rpc Get(GetRequest) returns (GetResponse); }
  message GetRequest { string thing_id = 1; }
  message GetResponse { int64 notes = 1; }`,
)

export function testProtos(): protobuf.Root {
  const root = loadProtos()
  for (const text of [things, counts]) protobuf.parse(text, root, { keepCase: true })
  root.resolveAll()
  return root
}

interface ThingsV1 {
  Note: { request: { thing_id: string; text: string; colour: string; copies: number }; response: { thing_id: string; version: string } }
  Get: { request: { thing_id: string }; response: { thing_id: string; texts: string[] } }
  Watch: { request: { from_start: boolean }; response: { text: string; position: string } }
  Sum: { request: { number: number }; response: { sum: string; refused: string } }
  Break: { request: { thing_id: string }; response: { thing_id: string; texts: string[] } }
}

export const thingFact = facts('rondo.things.thing', { noted: z.object({ text: z.string() }), unheard: z.object({ n: z.number() }) })
export const thing = stream('thing', thingFact, { texts: [] as string[] })({
  fold: 1,
  asks: {
    note({ texts }, { text, copies }: { text: string; copies: number }) {
      if (texts.length >= 100_000) refuse('wrong_phase', 'it is full', { missing: ['room'] })
      return [...Array.from({ length: copies }, () => thingFact.noted({ text })), thingFact.unheard({ n: texts.length })]
    },
  },
  tells: {},
  evolve: { noted: ({ texts }, { text }) => ({ texts: [...texts, text].slice(-100) }), unheard: (state) => state },
  keys: {},
})

/** How many answers `Watch` has made. */
export const emitted = { count: 0 }

const id = { thing_id: z.string().min(1) }
export const thingsService: Service = {
  name: 'things',
  streams: [thing],
  reactions: [],
  rpc: {
    'rondo.things.v1.Things': rpcs<ThingsV1>()({
      Note: {
        roles: ['developer'],
        request: z.strictObject({
          ...id,
          text: z.string().min(1),
          colour: z.enum(['COLOUR_UNSPECIFIED', 'COLOUR_RED']),
          copies: z.number().int().min(0).max(2000),
        }),
        ask: ({ thing_id, text, copies }) => ({
          kind: 'ask',
          stream: thing,
          id: thing_id,
          rule: 'note',
          input: { text, copies: copies || 1 },
        }),
        answer: (_, thing_id, version) => ({ thing_id, version: String(version) }),
      },
      Get: {
        roles: ['developer', 'auditor'],
        request: z.strictObject(id),
        query: async ({ thing_id }, read) => {
          const { texts } = await read.load(thing, thing_id)
          if (texts.length === 0) refuse('not_found', `there is no thing ${thing_id}`)
          return { thing_id, texts: [...texts] }
        },
      },
      Watch: {
        roles: [],
        request: z.strictObject({ from_start: z.boolean() }),
        follow: [thingFact.noted],
        after: ({ from_start }) => (from_start ? 0 : undefined),
        emit: (_, { data, position }) => {
          emitted.count += 1
          return { text: (data as { text: string }).text, position: String(position) }
        },
      },
      Sum: {
        roles: [],
        request: z.strictObject({ number: z.number().max(100, 'at most 100') }),
        async *duplex(requests) {
          let sum = 0
          for await (const one of requests) {
            if ('request' in one) sum += one.request.number
            yield { sum: String(sum), refused: 'refusal' in one ? `${one.refusal.path}: ${one.refusal.message}` : '' }
          }
        },
      },
      Break: { roles: [], request: z.strictObject(id), query: () => Promise.reject(new TypeError('broken on purpose')) },
    }),
  },
}

const countFact = facts('rondo.counts.count', { raised: z.object({ event: z.string() }) })
export const count = stream('count', countFact, { notes: 0 })({
  fold: 1,
  asks: {},
  tells: {
    // No look at what was seen before: an event that is applied twice counts twice.
    noted: (_, { event, text }: { event: string; text: string }) => {
      if (text === 'poison') throw new TypeError('cannot be counted')
      return [countFact.raised({ event })]
    },
  },
  evolve: { raised: ({ notes }) => ({ notes: notes + 1 }) },
  keys: {},
})

interface CountsV1 {
  Get: { request: { thing_id: string }; response: { notes: string } }
}
export const countsService: Service = {
  name: 'counts',
  streams: [count],
  reactions: [when(thingFact.noted, ({ id: event, streamId, data }) => [tell(count, streamId, 'noted', { event, text: data.text })])],
  rpc: {
    'rondo.counts.v1.Counts': rpcs<CountsV1>()({
      Get: {
        roles: [],
        request: z.strictObject(id),
        query: async ({ thing_id }, read) => ({ notes: String((await read.load(count, thing_id)).notes) }),
      },
    }),
  },
}
