import { createHash } from 'node:crypto'
import type { Instant } from '@rondo/kernel'
import { type Exact, exact } from './decimal.ts'
import type { Decided } from './decision.ts'
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
  const verdicts = passed
    .flatMap(({ state, id }) => (state.latest ? [{ id, data: state.latest.data }] : []))
    .filter(({ data }) => (data.inputs_at ?? '') < before && data.criteria.every(({ waived_by }) => !waived_by))
    .sort((a, b) => (`${a.data.inputs_at} ${a.id}` < `${b.data.inputs_at} ${b.id}` ? -1 : 1))
  for (const { id, value } of verdicts.flatMap(({ data }) => data.criteria)) {
    const number = value === null ? undefined : exact(value)
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
