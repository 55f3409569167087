import { createHash } from 'node:crypto'

/** The namespace of Rondo's derived ids: uuid v5 of the DNS name `rondo.events`. */
const namespace = uuid5(Buffer.from('6ba7b8109dad11d180b400c04fd430c8', 'hex'), 'rondo.events')

function uuid5(space: Buffer, name: string): Buffer {
  const bytes = createHash('sha1').update(space).update(name).digest().subarray(0, 16)
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x50
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  return bytes
}

/** RFC 9562 version 5 of (unit id, stream/id, n): a replay of the unit makes the same events. */
export function eventId(unitId: string, stream: string, streamId: string, n: number): string {
  const hex = uuid5(namespace, `${unitId} ${stream}/${streamId} ${n}`).toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
