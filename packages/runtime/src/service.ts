import type { AnyStream, Ask, Envelope, ErrorCode, FactType, Tell } from '@rondo/kernel'
import type { Reaction, Read, Sql, View } from '@rondo/reaction'
import type { FastifyInstance } from 'fastify'
import type { z } from 'zod'
import type { Host } from './host.ts'

export const roles = ['reporter', 'developer', 'approver', 'operator', 'product_owner', 'auditor', 'admin'] as const
export type Role = (typeof roles)[number]

/** Who calls: from the token alone. */
export interface Caller {
  /** `person:<id>` or `service:<name>`. */
  readonly actor: string
  readonly roles: readonly Role[]
  /** As it came, for calls of other services in the caller's name. */
  readonly authorization?: string | undefined
}

type RequestOf<Method> = Method extends { readonly request: infer Request } ? Request : never
type ResponseOf<Method> = Method extends { readonly response: infer Response } ? Response : never

interface Row<Input> {
  /** Any one of them suffices; `admin` may always. Empty: any known token. */
  readonly roles: readonly Role[]
  /** Holds the request to the proto's fields: unknown ones are refused, not dropped. */
  readonly request: z.ZodType<Input>
}
/** Changes one stream. */
export interface AskRow<Method, Input = RequestOf<Method>> extends Row<Input> {
  readonly ask: (request: Input, caller: Caller, read: Read) => Ask | Promise<Ask>
  /** What must not be an event because it has to be erasable: written in the ask's transaction, so never without it and once. */
  readonly beside?: (sql: Sql, request: Input, caller: Caller) => Promise<void>
  readonly answer: (
    request: Input,
    streamId: string,
    version: number,
    read: Read,
    caller: Caller,
  ) => ResponseOf<Method> | Promise<ResponseOf<Method>>
}
export interface QueryRow<Method, Input = RequestOf<Method>> extends Row<Input> {
  readonly query: (request: Input, read: Read, caller: Caller) => Promise<ResponseOf<Method>>
}
/** A server stream over the service's own ledger: events of these types after the position, then live. */
export interface StreamRow<Method, Input = RequestOf<Method>> extends Row<Input> {
  // biome-ignore lint/suspicious/noExplicitAny: any facts; `emit` gets their envelopes
  readonly follow: readonly FactType<string, any>[]
  /** Where to go on, e.g. from a cursor; refuses a cursor of another epoch. Undefined: from now. */
  readonly after: (request: Input, head: { readonly position: number; readonly epoch: number }) => number | undefined
  /** Ends at the head instead of waiting for more. */
  readonly untilHead?: (request: Input) => boolean
  /** Undefined: not for this subscriber. */
  readonly emit: (request: Input, event: Envelope, epoch: number) => ResponseOf<Method> | undefined
}
/** Neither changes nor reads streams: what the edge does (intake onto the bus). */
export interface CallRow<Method, Input = RequestOf<Method>> extends Row<Input> {
  readonly call: (request: Input, host: Host, caller: Caller) => Promise<ResponseOf<Method>>
  /** Answered without a token: what the process tells anybody (`/readyz`). */
  readonly open?: true
}
/** A server stream of anything else than the own ledger; ends when it returns, and has to return when the signal is aborted. */
export interface SubscribeRow<Method, Input = RequestOf<Method>> extends Row<Input> {
  readonly subscribe: (request: Input, host: Host, caller: Caller, signal: AbortSignal) => AsyncIterable<ResponseOf<Method>>
}
/** A stream both ways: the next request is read when the answers so far were taken. An item that is refused is `refusal`. */
export interface DuplexRow<Method, Input = RequestOf<Method>> extends Row<Input> {
  readonly duplex: (requests: AsyncIterable<Received<Input>>, host: Host, caller: Caller) => AsyncIterable<ResponseOf<Method>>
}
/** One item of a stream: what it says, or why it is refused; the rest of the stream goes on. */
export type Received<Input> =
  | { readonly request: Input }
  | { readonly refusal: { readonly code: ErrorCode; readonly message: string; readonly path: string } }

export type RpcRow<Method, Input = RequestOf<Method>> =
  | AskRow<Method, Input>
  | QueryRow<Method, Input>
  | StreamRow<Method, Input>
  | CallRow<Method, Input>
  | SubscribeRow<Method, Input>
  | DuplexRow<Method, Input>

/** One row for each method of the proto's service; a missing one does not compile. */
export type Rpcs<Methods> = { readonly [Name in keyof Methods]: RpcRow<Methods[Name]> }

/** What the schema makes must be the proto's message, field for field, both ways; it may be narrower (an enum for a string). */
type Fits<Method, Input> = [Input] extends [RequestOf<Method>]
  ? [keyof RequestOf<Method>] extends [keyof Input]
    ? [keyof Input] extends [keyof RequestOf<Method>]
      ? unknown
      : { readonly 'the schema has fields that the proto has not': Exclude<keyof Input, keyof RequestOf<Method>> }
    : { readonly 'the schema lacks fields of the proto': Exclude<keyof RequestOf<Method>, keyof Input> }
  : { readonly "the schema does not make the proto's message": RequestOf<Method> }

/**
 * `rpcs<Requirements>()({ … })`: as `Rpcs<Requirements>`, and each row's functions get what its own schema makes:
 * a closed list is a union there and not any text.
 */
export function rpcs<Methods>() {
  return <Inputs extends { readonly [Name in keyof Methods]: unknown }>(
    rows: {
      readonly [Name in keyof Inputs]: Name extends keyof Methods
        ? RpcRow<Methods[Name], Inputs[Name]> & Fits<Methods[Name], Inputs[Name]>
        : never
    },
  ): RpcTable => rows
}

// biome-ignore lint/suspicious/noExplicitAny: each table is held to its own proto where it is declared (`Rpcs<…>`)
export type AnyRow = RpcRow<any, any>
export type RpcTable = Readonly<Record<string, AnyRow>>

export interface Service {
  readonly name: string
  readonly streams: readonly AnyStream[]
  readonly reactions: readonly Reaction[]
  /** Intake that it does nothing with but remember at once, by its id, that it was read (the gateway's receipts). */
  readonly remembers?: readonly FactType[]
  readonly views?: readonly View[]
  /** Numbered SQL files for the views' tables; they run in the service's own schema. */
  readonly migrations?: URL
  /** By the proto's full service name, e.g. `rondo.requirements.v1.Requirements`. */
  readonly rpc: Readonly<Record<string, RpcTable>>
  /** The refusal of an intake event whose (source, id) was seen with another content becomes tells here (the gateway's). */
  readonly onConflict?: (event: Envelope, code: ErrorCode) => readonly Tell[]
  /**
   * Adds routes to the process's HTTP server (the gateway's); what it opens it closes through `app.addHook('onClose', …)`.
   * What it gives back holds for gRPC calls of the process, too.
   */
  readonly http?: (app: FastifyInstance, host: Host) => CallLimit | undefined | Promise<CallLimit | undefined>
}

/**
 * How many calls one caller may send. Undefined where there is room; else resolves when it was asked for elsewhere, or rejects with
 * `rate_limited`. `address`: for who has no token.
 */
export type CallLimit = (caller: { readonly authorization: string | undefined; readonly address: string }) => Promise<void> | undefined
