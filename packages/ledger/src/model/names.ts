import type { KeyRow, TimerRow } from '../derived.ts'
import type { ParkedRecord } from '../parking.ts'

/* The primary keys of the rows, as texts. */

export const chainKey = (source: string, partition: number): string => JSON.stringify([source, partition])
export const timerKey = ({ stream, stream_id, tell, due }: TimerRow): string => JSON.stringify([stream, stream_id, tell, due])
export const heldKey = ({ stream, name, value }: Pick<KeyRow, 'stream' | 'name' | 'value'>): string => JSON.stringify([stream, name, value])
export const parkedKey = ({ source, partition, key }: Pick<ParkedRecord, 'source' | 'partition' | 'key'>): string =>
  JSON.stringify([source, partition, key])
