import type { gateSeen, part } from '@rondo/contracts/releases'
import type { Contributor } from '@rondo/contracts/values'
import type { z } from 'zod'
import { contentHash } from './content-hash.ts'

export type Part = z.infer<typeof part>
export type GateSeen = z.infer<typeof gateSeen>

/** Of a release: what was told of each artifact in it. */
export interface Told {
  readonly artifacts: readonly string[]
  readonly parts: Readonly<Record<string, Part>>
  readonly gates: Readonly<Record<string, readonly GateSeen[]>>
  readonly policy?: { readonly policy_hash: string; readonly told: number }
}

/** So many of a gate's verdicts are remembered for each artifact. */
const verdictsKept = 20
const changesKept = 1000

/** The newest telling stands, whichever arrives last. */
export const newer = <T extends { readonly told: number }>(known: T | undefined, seen: T): T =>
  known && known.told >= seen.told ? known : seen

export function withVerdict<Seen extends GateSeen>(known: readonly Seen[], seen: Seen): readonly Seen[] {
  const others = known.filter(({ told }) => told !== seen.told)
  return [...others, seen].sort((a, b) => a.told - b.told).slice(-verdictsKept)
}

export const lastVerdict = (told: Told, artifact: string): GateSeen | undefined => told.gates[artifact]?.at(-1)

/** By the policy that was put, else by the one that a verdict followed; empty: none is known. */
function policyOf({ policy, artifacts, gates }: Told): string {
  if (policy) return policy.policy_hash
  return artifacts.map((artifact) => gates[artifact]?.at(-1)?.policy_hash).find((hash) => hash !== undefined) ?? ''
}

const sorted = (values: readonly string[]) => [...new Set(values)].sort()

function distinct(contributors: readonly Contributor[]): Contributor[] {
  const byRole = new Map(contributors.map((one) => [`${one.actor} ${one.role}`, one]))
  return [...byRole.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one)
}

/** All artifacts together, and the hash that an approval binds to. */
export function contentsOf(told: Told) {
  const parts = told.artifacts.flatMap((artifact) => told.parts[artifact] ?? [])
  const content = {
    artifacts: sorted(told.artifacts),
    requirements: sorted(parts.flatMap((one) => one.requirements)),
    policy_hash: policyOf(told),
  }
  return {
    ...content,
    changes: sorted(parts.flatMap((one) => one.changes)).slice(0, changesKept),
    contributors: distinct(parts.flatMap((one) => one.contributors)),
    content_hash: contentHash(content),
    missing: sorted(parts.flatMap((one) => one.missing)),
  }
}

/** Artifacts whose changes are not known well enough to say who contributed: nobody known is not nobody. */
export function unknownContents({ artifacts, parts }: Told): readonly string[] {
  return artifacts.flatMap((artifact) => {
    const known = parts[artifact]
    if (!known) return [`the changes in ${artifact} are not known yet`]
    // A recorded commit whose parents nobody told (a push) is known, and so are its people; only the history behind it is open
    if (known.missing.includes(known.revision) && !known.changes.includes(known.revision))
      return [`the commit ${known.revision} of ${artifact} is not known yet`]
    if (known.contributors.length === 0 && (known.changes.length > 0 || known.missing.length > 0))
      return [`who contributed to ${artifact} is not known`]
    return []
  })
}

const rank = { pass: 3, warn: 2, inconclusive: 1, fail: 0 } as const

/** The first verdict from `since` on that is worse than the one before it. */
export function turnedWorse(verdicts: readonly GateSeen[], since: number): GateSeen | undefined {
  const later = verdicts.filter(({ told }) => told >= since)
  return later.find(({ verdict }, at) => {
    const before = later[at - 1]
    return before !== undefined && rank[verdict] < rank[before.verdict]
  })
}
