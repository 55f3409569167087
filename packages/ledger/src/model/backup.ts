import { type ModelDatabase, refill } from './database.ts'

/** A copy of all tables; the returned function puts it in their place. Nobody is connected then, as with a real one. */
export function backUp(database: ModelDatabase): () => void {
  const { head, plans, events, decisions, gaps, streams, keys, loops, timers, messages, checkpoints, parkedKeys, parkedRecords, relays } =
    database

  const copy = structuredClone({
    head,
    plans,
    events,
    decisions,
    gaps,
    streams,
    keys,
    loops,
    timers,
    messages,
    checkpoints,
    parkedKeys,
    parkedRecords,
    relays,
  })
  return () => {
    database.crash()
    Object.assign(head, copy.head)
    refillList(plans, copy.plans)
    refillList(events, copy.events)
    refillList(decisions, copy.decisions)
    refillList(gaps, copy.gaps)
    refill(streams, copy.streams)
    refill(keys, copy.keys)
    refill(loops, copy.loops)
    refill(timers, copy.timers)
    refill(messages, copy.messages)
    refill(checkpoints, copy.checkpoints)
    refill(parkedKeys, copy.parkedKeys)
    refill(parkedRecords, copy.parkedRecords)
    refill(relays, copy.relays)
  }
}

function refillList<Row>(list: Row[], rows: readonly Row[]): void {
  list.splice(0, list.length, ...rows)
}
