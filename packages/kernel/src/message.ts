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
type Say<Kind extends 'ask' | 'tell'> = <S extends AnyStream, Name extends keyof S[`${Kind}s`] & string>(
  stream: S,
  id: string,
  rule: Name,
  ...input: Rest<S[`${Kind}s`][Name]>
) => Message<Kind>
const say =
  <Kind extends 'ask' | 'tell'>(kind: Kind): Say<Kind> =>
  (stream, id, rule, ...[input]) => ({ kind, stream, id, rule, input })

/** What was seen elsewhere: `tell(stream, id, 'rule', input)`. */
export const tell = say('tell')
/** What a person or client wants: `ask(stream, id, 'rule', input)`. */
export const ask = say('ask')
