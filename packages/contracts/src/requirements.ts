import { facts, versions } from '@rondo/kernel'
import { z } from 'zod'
import { actor, digest, instant, name, sha, verdict } from './values.ts'

/** How it will be run: without an owner, a runbook and an objective nobody can say later that it works. */
export const operability = z.object({ owner: name, runbook: name, objective: name })
export const refinement = z.object({
  goal: name,
  acceptance: z.array(name).min(1),
  /** What is known so far; "ready" needs all three. */
  operability: operability.partial(),
  /** Links to decisions and to the operability review. */
  designs: z.array(z.string()),
})
export type Refinement = z.infer<typeof refinement>

export const origin = z.object({ kind: z.enum(['person', 'signal', 'incident', 'feedback', 'review', 'import']), id: name })

const raisedV1 = z.object({ title: name, service: name, problem: z.string().optional() })
const raised = raisedV1.extend({ origin })

/** `at` orders the moves of a place, whenever they are told; of two for one time, the one with the higher `basis` (what was known) holds. */
const move = z.object({ service: name, environment: name, artifact: digest, production: z.boolean(), at: instant, basis: z.number().int() })

export const requirement = facts('rondo.requirements.requirement', {
  /** Version 1 did not say where it came from; a problem has always come from a signal. */
  raised: versions(raisedV1, [
    raised,
    (old) => ({ ...old, origin: { kind: old.problem ? ('signal' as const) : ('person' as const), id: old.problem ?? 'unknown' } }),
  ]),
  /** An earlier report of the same came later: that one says what it is, and since when. It was raised once. */
  dated_back: raised,
  /** `moved_from`: it came with a merge or a split, from that requirement. */
  joined: z.object({ signal: name, problem: z.string(), service: name, episode: instant.optional(), moved_from: name.optional() }),
  /** Feedback that asks for it; requesters are counted once each. */
  requested: z.object({ item: name, requester: name, moved_from: name.optional() }),
  refined: refinement,
  readied: z.object({ by: actor }),
  /** A change implements it. */
  named: z.object({ sha, repository: name, at: instant }),
  /** An artifact that contains its change was published and its gate let it through. */
  built: z.object({ artifact: digest, revision: sha.optional() }),
  /** An artifact that contains its change may not be released, by its latest gate decision. */
  held: z.object({ artifact: digest, verdict, reasons: z.array(z.string()) }),
  entered: move,
  left: move,
  proof_opened: z.object({ proof: name, environment: name }),
  verified: z.object({ proof: name.optional(), by: actor.optional(), reason: z.string().optional() }),
  /** The proof could not decide; it is for a person now. */
  undecided: z.object({ proof: name, reason: z.string() }),
  regressed: z.object({ proof: name, reason: z.string() }),
  /** `from`: the phase that a person took it out of; after "declined" it goes on where it was. */
  reopened: z.object({
    signal: z.string().optional(),
    proof: z.string().optional(),
    reason: z.string(),
    from: z.string().optional(),
    by: actor.optional(),
  }),
  declined: z.object({ reason: name, by: actor }),
  merged: z.object({ into: name, by: actor, reason: z.string() }),
  unmerged: z.object({ from: name, by: actor }),
  /** Joined wrongly (by operators' word), or given back after a merge: these belong to another one. */
  split: z.object({ signals: z.array(name), items: z.array(name), incidents: z.array(name), to: name, title: name.optional(), by: actor }),
  pinned: z.object({ rank: z.number().int().nullable(), by: actor }),
  /** With the signals that it is about: one that is opened later comes here too. */
  incident_joined: z.object({ incident: name, signals: z.array(name), moved_from: name.optional() }),
})
