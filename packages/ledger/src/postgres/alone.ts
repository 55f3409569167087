import { lostToAnother } from '../failure.ts'
import type { AppendRows, Lost, Written } from '../store.ts'
import { arrayText, isSome, someOf } from './arrays.ts'

/*
 * What comes alone: one stream, one event of it and one message id at the most, which `append_alone` takes as values.
 */

export const isAlone = ({ streams = [], events = [], intake: { messages = [] } }: AppendRows): boolean =>
  streams.length <= 1 && events.length <= 1 && messages.length <= 1

export function valuesOf({ streams: [stream] = [], events: [event] = [], derived, intake }: AppendRows): unknown[] {
  const { partitions, folds, guess: { now, ...rests } = {}, ...follows } = derived
  const { messages: [message] = [], parked: _, ...others } = intake
  const guess = isSome(rests) ? rests : undefined
  return [
    stream?.stream,
    stream?.id,
    stream?.version,
    stream?.base,
    stream?.fold,
    stream && JSON.stringify(stream.state),
    stream?.phase,
    stream?.first_at,
    stream?.last_at,
    event?.id,
    event?.version,
    event?.partition,
    event?.type,
    event?.schemaVersion,
    event && JSON.stringify(event.data),
    event?.occurredAt,
    event?.actor,
    event?.correlationId,
    event?.causationId,
    event?.traceparent,
    event && arrayText(event.loopIds),
    message?.id,
    message?.hash,
    message?.days,
    message && JSON.stringify(message.outcome),
    partitions,
    JSON.stringify(folds),
    now,
    someOf({ ...follows, guess }),
    someOf(others),
  ]
}

/** It is told in a line: position, time, epoch, repaired, planned, marked, tails (as `{1,2}`), the time of the event before. */
export function writtenAlone({ written, incarnation }: { readonly written: string; readonly incarnation: string }): Written {
  const [position, recordedAt = '', epoch, repaired, planned, marked, tails = '{}', before] = written.split(' ')
  return {
    position: Number(position),
    recordedAt,
    before: {
      epoch: Number(epoch),
      repaired: Number(repaired),
      planned: Number(planned),
      marked: Number(marked),
      tails: tails.slice(1, -1).split(',').map(Number),
      recordedAt: before ?? null,
      incarnation,
    },
  }
}

/** A stream or an id that is there already is told by its unique index: it is lost, as one is that a batch finds. */
export function lostAlone({ streams, intake: { messages } }: AppendRows, error: unknown): unknown {
  if (!(error instanceof Error && 'code' in error && error.code === '23505' && 'constraint' in error)) return error
  const lost: Record<string, Lost | undefined> = {
    stream_pkey: streams && { streams: streams.map(({ stream, id }) => [stream, id]) },
    message_pkey: messages && { messages: messages.map(({ id }) => id) },
  }
  const what = lost[String(error.constraint)]
  return what ? lostToAnother(what, error) : error
}
