import { randomUUID } from 'node:crypto'
import { DomainError, type Envelope } from '@rondo/kernel'
import type { Ledger } from '@rondo/ledger'
import type { Sql } from '@rondo/reaction'
import { unlessAborted } from './abort.ts'
import { hashOf } from './request.ts'
import type { AskRow, Caller, StreamRow } from './service.ts'
import { activeTraceparent } from './trace.ts'

/** What a row needs to know of the call beside its request. */
export interface CallContext {
  /** `rondo.requirements.v1.Requirements/Refine` */
  readonly method: string
  readonly caller: Caller
  /** The caller's own id for the message; the same again changes nothing. */
  readonly messageId: string | undefined
}

// biome-ignore lint/suspicious/noExplicitAny: rows were held to their protos where they are declared
type Any = any

/**
 * The message of an ask, as what is stored now makes it. A message that is known by its id may be refused for what it has done itself
 * (the key that it asks for is held: by it): then there is none, and the ledger answers as before, or
 * that it does not know the message any more.
 */
async function messagesOf(row: AskRow<Any>, request: unknown, ledger: Ledger, { caller, messageId }: CallContext) {
  try {
    return [await row.ask(request, caller, ledger.read)]
  } catch (error) {
    if (error instanceof DomainError && messageId !== undefined && (await ledger.known(messageId))) return []
    throw error
  }
}

/** Runs an ask: one unit in the ledger, then the answer. A lost key or conflict runs it again from its read. */
export async function runAsk(row: AskRow<Any>, request: unknown, ledger: Ledger, context: CallContext): Promise<unknown> {
  const { method, caller, messageId } = context
  const id = messageId ?? randomUUID()
  const messages = () => messagesOf(row, request, ledger, context)
  const first = await messages()
  const applied = await ledger.submit({
    id,
    hash: hashOf(method, caller.actor, request),
    remember: true,
    messages: first,
    cause: { actor: caller.actor, correlationId: id, causationId: id, traceparent: activeTraceparent() },
    ...(row.beside && { beside: async (sql: Sql) => row.beside?.(sql, request, caller) }),
    again: messages,
  })
  const [result] = applied.results
  return row.answer(request, result?.streamId ?? first[0]?.id ?? '', result?.version ?? 0, ledger.read, caller)
}

const page = 200
/** Milliseconds after which a follower looks without having been woken. */
const lookAgain = 5000

/** Resolves at the next wake, after a while, or when aborted. */
function waker(ledger: Ledger, signal: AbortSignal) {
  let woken = false
  let wake: () => void = () => undefined
  const stop = ledger.onCommit(() => {
    woken = true
    wake()
  })
  const next = async () => {
    if (!woken)
      await unlessAborted(signal, (done) => {
        wake = done
        const timer = setTimeout(done, lookAgain)
        return () => clearTimeout(timer)
      })
    woken = false
  }
  return { next, stop }
}

/** Events of these types (none named: all) after a position, then live, until aborted. Reads no further than it is asked for: nothing piles up. */
export async function* followed(
  ledger: Ledger,
  after: number,
  types: readonly string[],
  signal: AbortSignal,
): AsyncGenerator<{ readonly event: Envelope; readonly epoch: number }> {
  const wakes = waker(ledger, signal)
  let last = after
  try {
    while (!signal.aborted) {
      const { position, epoch } = await ledger.head()
      const events = await ledger.events(last, page, types.length > 0 ? { types } : undefined)
      for (const event of events) {
        if (signal.aborted) return
        yield { event, epoch }
        last = event.position
      }
      if (events.length === page) continue
      // All up to the head was looked at, also what the filter left out.
      last = Math.max(last, position)
      await wakes.next()
    }
  } finally {
    wakes.stop()
  }
}

interface Head {
  readonly position: number
  readonly epoch: number
}

/** Events of these types after a position up to another, and no further. */
export async function* between(ledger: Ledger, after: number, upTo: number, types: readonly string[]): AsyncGenerator<Envelope> {
  for (let last = after; ; ) {
    const events = await ledger.events(last, page, types.length > 0 ? { types } : undefined)
    for (const event of events) {
      if (event.position > upTo) return
      yield event
      last = event.position
    }
    if (events.length < page) return
  }
}

async function* upToHead(ledger: Ledger, after: number, { position, epoch }: Head, types: readonly string[]) {
  for await (const event of between(ledger, after, position, types)) yield { event, epoch }
}

/** The answers of a server stream. */
export async function* runStream(row: StreamRow<Any>, request: unknown, ledger: Ledger, signal: AbortSignal): AsyncGenerator<unknown> {
  const head = await ledger.head()
  const facts = new Map(row.follow.map((fact) => [fact.base, fact]))
  const types = [...facts.keys()]
  const after = row.after(request, head) ?? head.position
  const events = row.untilHead?.(request) ? upToHead(ledger, after, head, types) : followed(ledger, after, types, signal)
  for await (const { event, epoch } of events) {
    if (signal.aborted) return
    const fact = facts.get(event.type)
    const newest = fact ? { ...event, schemaVersion: fact.version, data: fact.read(event.schemaVersion, event.data) } : event
    const answer = row.emit(request, newest, epoch)
    if (answer !== undefined) yield answer
  }
}
