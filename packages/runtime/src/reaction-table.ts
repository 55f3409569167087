import { intakeTopic, topicOfFact } from '@rondo/contracts/cloudevents'
import type { Envelope, FactType, Tell } from '@rondo/kernel'
import type { Projection, Reaction, Read } from '@rondo/reaction'
import type { Service } from './service.ts'

/** All that a service does with one type of fact. */
export interface Interest {
  readonly fact: FactType
  readonly reactions: readonly Reaction[]
  /** Any of the reactions does. */
  readonly reads: boolean
  /** Of foreign facts; own ones are projected where they are appended. */
  readonly projections: readonly Projection[]
}

export interface ReactionTable {
  /** Sorted; those of the facts that the service wants. */
  readonly topics: readonly string[]
  /** By the fact's type without its version. */
  readonly interests: ReadonlyMap<string, Interest>
}

type Reacting = Pick<Service, 'name' | 'reactions' | 'remembers' | 'views'>

export function reactionTable({ name, reactions, remembers = [], views = [] }: Reacting): ReactionTable {
  const foreign = views.flatMap(({ on }) => on).filter(({ fact }) => !fact.base.startsWith(`rondo.${name}.`))
  const facts = new Map([...remembers, ...[...reactions, ...foreign].map(({ fact }) => fact)].map((fact) => [fact.base, fact]))
  const interests = [...facts].map(([base, fact]) => {
    const of = <Row extends { readonly fact: FactType }>(rows: readonly Row[]) => rows.filter((row) => row.fact.base === base)
    const own = of(reactions)
    return [base, { fact, reactions: own, reads: own.some(({ read }) => read !== undefined), projections: of(foreign) }] as const
  })
  return { topics: [...new Set([...facts.keys()].map(topicOfFact))].sort(), interests: new Map(interests) }
}

export const isIntake = (topic: string): boolean => topic === intakeTopic

/** A newer version of the fact than this program knows: its consumers are to be brought up to date first. */
export class NewerFact extends Error {
  override readonly name = 'NewerFact'
}

/** The event with its data raised to the newest version of its fact. Throws NewerFact, or what the schema says of data that do not fit. */
export function raised({ fact, reactions, projections }: Interest, event: Envelope): Envelope {
  // Nobody looks at them
  if (reactions.length + projections.length === 0) return event
  if (event.schemaVersion > fact.version) {
    throw new NewerFact(
      `${event.type} has version ${event.schemaVersion} and this program knows it up to ${fact.version}: start the newer version of Rondo`,
    )
  }
  return { ...event, schemaVersion: fact.version, data: fact.read(event.schemaVersion, event.data) }
}

/** What all reactions to the fact tell, each after its own read; all of them read at once. */
export async function react({ reactions }: Interest, event: Envelope, read: Read): Promise<readonly Tell[]> {
  const found = await Promise.all(reactions.map((reaction) => reaction.read?.(event, read)))
  return reactions.flatMap((reaction, index) => reaction.react(event, found[index]))
}

/** The same where none of them reads. */
export const reactAtOnce = ({ reactions }: Interest, event: Envelope): readonly Tell[] => {
  const [only] = reactions
  return only && reactions.length === 1 ? only.react(event, undefined) : reactions.flatMap((one) => one.react(event, undefined))
}
