import type { z } from 'zod'

/** Something that happened, as a rule tells it; the ledger makes an envelope of it. */
export interface Fact<Verb extends string = string, Data = unknown> {
  readonly type: string
  readonly verb: Verb
  readonly data: Data
}

export interface FactType<Verb extends string = string, Data = unknown> {
  (data: Data): Fact<Verb, Data>
  /** With the version: `rondo.requirements.requirement.raised.v1`. */
  readonly type: string
  /** Without it: what a reaction listens to. */
  readonly base: string
  readonly verb: Verb
  readonly version: number
  readonly schema: z.ZodType<Data>
  /** Any stored version, raised to the newest. Throws where the data are not of that version. */
  read(version: number, data: unknown): Data
}

// biome-ignore lint/suspicious/noExplicitAny: a table of facts is matched by shape, each keeps its own type
export type FactTable = Readonly<Record<string, FactType<any, any>>>
// biome-ignore lint/suspicious/noExplicitAny: of any fact, any data: so that every stream is an AnyStream
export type DataOf<F> = 0 extends 1 & F ? any : F extends FactType<string, infer Data> ? Data : never
export type FactOf<F> = { [Verb in keyof F]: F[Verb] extends FactType<infer V, infer Data> ? Fact<V, Data> : never }[keyof F]

/** A fact whose meaning changed: `versions(v1, [v2, fromV1], [v3, fromV2])`. */
interface Versions<Data> {
  readonly schemas: readonly z.ZodType[]
  readonly newest: z.ZodType<Data>
  readonly raise: readonly ((data: unknown) => unknown)[]
}
type Step<From, To> = readonly [z.ZodType<To>, (data: From) => To]

export function versions<A, B>(first: z.ZodType<A>, second: Step<A, B>): Versions<B>
export function versions<A, B, C>(first: z.ZodType<A>, second: Step<A, B>, third: Step<B, C>): Versions<C>
export function versions(first: z.ZodType, ...steps: readonly (readonly [z.ZodType, (data: never) => unknown])[]): Versions<unknown> {
  const schemas = [first, ...steps.map(([schema]) => schema)]
  return { schemas, newest: schemas.at(-1) ?? first, raise: steps.map(([, from]) => from as (data: unknown) => unknown) }
}

type SchemaOf<S> = S extends Versions<infer Data> ? Data : S extends z.ZodType<infer Data> ? Data : never

function factType(prefix: string, verb: string, schema: z.ZodType | Versions<unknown>): FactType {
  const { schemas, newest, raise } = 'schemas' in schema ? schema : { schemas: [schema], newest: schema, raise: [] }
  const base = `${prefix}.${verb}`
  const type = `${base}.v${schemas.length}`
  const read = (version: number, data: unknown) => {
    const schema = schemas[version - 1]
    if (!schema) throw new RangeError(`${base} is known up to version ${schemas.length}, not ${version}`)
    return raise.slice(version - 1).reduce((value, from) => from(value), schema.parse(data))
  }
  return Object.assign((data: unknown): Fact => ({ type, verb, data }), { type, base, verb, version: schemas.length, schema: newest, read })
}

/** Declares the facts of one stream (`rondo.<service>.<noun>`), a verb in the past tense each. */
export function facts<Verbs extends Record<string, z.ZodType | Versions<unknown>>>(prefix: string, verbs: Verbs) {
  const table = Object.fromEntries(Object.entries(verbs).map(([verb, schema]) => [verb, factType(prefix, verb, schema)]))
  return table as { readonly [Verb in keyof Verbs]: FactType<Verb & string, SchemaOf<Verbs[Verb]>> }
}
