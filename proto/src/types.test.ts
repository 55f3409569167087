import protobuf from 'protobufjs'
import { expect, test } from 'vitest'
import { loading } from './index.ts'
import { typesOf } from './types.ts'

const { root } = protobuf.parse(
  `syntax = "proto3";
  package rondo.shop.v1;
  // Sells.
  service Shop { rpc Buy(BuyRequest) returns (stream BuyResponse); }
  enum Colour { COLOUR_UNSPECIFIED = 0; COLOUR_RED = 1; }
  message Item { string item_id = 1; int64 price_cents = 2; optional double weight = 3; bytes image = 4; }
  message BuyRequest {
    // At least one.
    repeated Item items = 1;
    Item gift = 2;
    optional Item swap = 3;
    Colour colour = 4;
    map<string, int64> votes = 5;
    oneof pay { string card = 6; bool cash = 7; }
  }
  message BuyResponse {}`,
  { keepCase: true, alternateCommentMode: true },
)
root.resolveAll()

test('the types say what gRPC gives', () => {
  const text = typesOf(root).get('shop')
  expect(text).toContain('/** Sells. */\nexport interface Shop {\n  Buy: { request: BuyRequest; response: BuyResponse }\n}')
  expect(text).toContain("export type Colour = 'COLOUR_UNSPECIFIED' | 'COLOUR_RED'")
  for (const line of [
    'item_id: string',
    'price_cents: string',
    'weight?: number | undefined',
    'image: Buffer',
    '/** At least one. */\n  items: Item[]',
    'gift: Item | null',
    'swap?: Item | undefined',
    'colour: Colour',
    'votes: { [key: string]: string }',
    'card?: string | undefined',
  ]) {
    expect(text).toContain(`  ${line}\n`)
  }
})

test('and gRPC gives what the types say', () => {
  const type = root.lookupType('BuyRequest')
  const given = (value: object) => type.toObject(type.decode(type.encode(type.fromObject(value)).finish()), loading)
  expect(given({})).toEqual({ items: [], gift: null, colour: 'COLOUR_UNSPECIFIED', votes: {} })
  expect(given({ items: [{ price_cents: '9007199254740993' }], cash: false, votes: { a: 3 } })).toEqual({
    items: [{ item_id: '', price_cents: '9007199254740993', image: expect.any(Buffer) }],
    gift: null,
    colour: 'COLOUR_UNSPECIFIED',
    votes: { a: '3' },
    cash: false,
  })
})
