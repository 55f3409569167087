import { createHash } from 'node:crypto'
import type { Instant } from '@rondo/kernel'
import { type Exact, exact } from './decimal.ts'
import { baselineOf, type Decided } from './decision.ts'
import { judge } from './gate.ts'
import type { GateMaterial } from './material.ts'
import { measured } from './measures.ts'
import { inForce } from './policies.ts'
import { readPolicy } from './policy.ts'
import { canonical, latest } from './seen.ts'

const hashOf = (value: unknown) => createHash('sha256').update(canonical(value)).digest('hex')

/** By criterion, of the last passing verdict before this time that has a value for it; one that needed a waiver never becomes it. */
function baselinesOf({ passed }: GateMaterial, before: Instant): Readonly<Record<string, Exact>> {
  const found: Record<string, Exact> = {}
  const earlier = passed
    .flatMap(({ id, state }) => {
      const baseline = baselineOf(state)
      return baseline && baseline.at < before ? [{ id, ...baseline }] : []
    })
    .sort((a, b) => (`${a.at} ${a.id}` < `${b.at} ${b.id}` ? -1 : 1))
  for (const [id, value] of earlier.flatMap(({ values }) => Object.entries(values))) {
    const number = exact(value)
    if (number) found[id] = number
  }
  return found
}

/** The verdict over all that is known of an artifact, ready to be told to its gate. */
export function verdictOf(material: GateMaterial): Decided {
  const { digest, state, service, policies, evidence, gate, basis } = material
  const { yaml, hash } = inForce(policies)
  const policy = readPolicy(yaml)
  const found = measured(evidence)
  const inputsAt = found.at ?? state.first_at ?? ''
  const contents = state.contents?.value
  const waivers = gate.waivers.map(({ given_at: _, ...waiver }) => waiver)
  const judgement = judge({
    policy,
    measured: found.values,
    baselines: baselinesOf(material, inputsAt),
    waivers,
    contributors: contents?.contributors.map(({ actor }) => actor) ?? [],
    // decided when the last of what it rests on was there: the same whenever it is computed
    at: [policies.at, ...gate.waivers.map(({ given_at }) => given_at)].reduce<Instant>((at, one) => latest(one, at), inputsAt),
  })
  const decided = {
    artifact: digest,
    service,
    verdict: judgement.verdict,
    score: judgement.score?.valueOf() ?? null,
    criteria: [...judgement.criteria],
    release_allowed: judgement.releaseAllowed,
    ...(judgement.allowedUntil ? { allowed_until: judgement.allowedUntil } : {}),
    reasons: [...judgement.reasons, ...found.notes],
    requirements: [...(contents?.requirements ?? [])],
    ...(state.revision ? { revision: state.revision.value } : {}),
    evidence: found.evidence.slice(0, 500),
    ...(inputsAt ? { inputs_at: inputsAt } : {}),
  }
  return { ...decided, policy_hash: hash, inputs_hash: hashOf(decided), basis }
}
