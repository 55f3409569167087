import type { AnyStream, InputOf } from './stream.ts'

/** An ask (may be refused) or a tell (is recorded) for one stream. */
export interface Message<Kind extends 'ask' | 'tell' = 'ask' | 'tell'> {
  readonly kind: Kind
  readonly stream: AnyStream
  readonly id: string
  readonly rule: string
  readonly input: unknown
}
export type Tell = Message<'tell'>
export type Ask = Message<'ask'>

type Rest<R> = undefined extends InputOf<R> ? [input?: InputOf<R>] : [input: InputOf<R>]

/** What was seen elsewhere. */
export function tell<S extends AnyStream, Name extends keyof S['tells'] & string>(
  stream: S,
  id: string,
  rule: Name,
  ...[input]: Rest<S['tells'][Name]>
): Tell {
  return { kind: 'tell', stream, id, rule, input }
}

/** What a person or client wants. */
export function ask<S extends AnyStream, Name extends keyof S['asks'] & string>(
  stream: S,
  id: string,
  rule: Name,
  ...[input]: Rest<S['asks'][Name]>
): Ask {
  return { kind: 'ask', stream, id, rule, input }
}
