import { expect, test } from 'vitest'
import { decodeTopicId } from './protocol.ts'

test('finds the topic id behind the brokers of a metadata answer', () => {
  const text = (value: string) => Buffer.concat([Buffer.from([value.length + 1]), Buffer.from(value)])
  const int32 = (value: number) => Buffer.from([value >>> 24, value >>> 16, value >>> 8, value])
  const broker = (node: number, rack: Buffer) => Buffer.concat([int32(node), text('127.0.0.1'), int32(9092), rack, Buffer.from([0])])
  const id = Buffer.from('00112233445566778899aabbccddeeff', 'hex')
  const answer = Buffer.concat([
    Buffer.from([0]), // tags of the header
    int32(0), // throttle time
    Buffer.from([3]),
    broker(1, text('rack-a')),
    broker(2, Buffer.from([0])),
    text('a-cluster'),
    int32(1), // controller
    Buffer.from([2]),
    Buffer.from([0, 5]), // error
    text('a-topic'),
    id,
    Buffer.from([0, 1]),
  ])
  expect(decodeTopicId(answer)).toEqual({ errorCode: 5, id: '00112233-4455-6677-8899-aabbccddeeff' })
})
