import { hash } from 'node:crypto'

/** The namespace of Rondo's derived ids: uuid v5 of the DNS name `rondo.events`. */
const namespace = uuidBytes(uuid5(uuidBytes('6ba7b810-9dad-11d1-80b4-00c04fd430c8'), 'rondo.events'))

export function uuidBytes(uuid: string): Buffer {
  return Buffer.from(uuid.replaceAll('-', ''), 'hex')
}

/** RFC 9562 version 5: of a namespace, as bytes, and a name. */
export function uuid5(space: Buffer, name: string): string {
  const bytes = Buffer.allocUnsafe(space.length + Buffer.byteLength(name))
  space.copy(bytes)
  bytes.write(name, space.length)
  const hex = hash('sha1', bytes)
  const variant = ((Number.parseInt(hex.charAt(16), 16) & 0x3) | 0x8).toString(16)
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-5${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}

/** RFC 9562 version 5 of (unit id, stream/id, n): a replay of the unit makes the same events. */
export const eventId = (unitId: string, stream: string, streamId: string, n: number): string =>
  uuid5(namespace, `${unitId} ${stream}/${streamId} ${n}`)
