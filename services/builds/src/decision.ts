import { gate as fact } from '@rondo/contracts/builds'
import type { Contributor } from '@rondo/contracts/values'
import { type DataOf, type Instant, refuse, stream } from '@rondo/kernel'
import { unidentified } from './contributors.ts'
import type { Waiver } from './gate.ts'
import { same } from './seen.ts'

export type Decided = DataOf<typeof fact.decided>
interface Decision {
  readonly id: string
  readonly at: Instant
  readonly data: Decided
}
/** What is in force for one artifact; the stream's id is its digest. */
export interface Gate {
  readonly latest?: Decision | undefined
  /** Without their lists, newest first, at most twenty: the events have them. */
  readonly earlier: readonly Decision[]
  readonly waivers: readonly (Waiver & { readonly given_at: Instant })[]
  /** What its last passing verdict measured: what later artifacts are measured against. One that needed a waiver is none. */
  readonly passed?: Passed | undefined
}
interface Passed {
  readonly basis: number
  readonly at: Instant
  readonly evidence: readonly string[]
  readonly values: Readonly<Record<string, number>>
}

export interface Waive {
  readonly criterion: string
  readonly reason: string
  readonly until: Instant
  /** Of the change, when the ask was read; undefined: what the artifact contains is not known. */
  readonly contributors: readonly Contributor[] | undefined
}

const basis = (decision: Decision | undefined) => decision?.data.basis ?? 0
function passedOf({ data }: Decision): Passed | undefined {
  if (data.verdict !== 'pass' || data.criteria.some(({ waived_by }) => waived_by)) return undefined
  const values = Object.fromEntries(data.criteria.flatMap(({ id, value }) => (value === null ? [] : [[id, value]])))
  return { basis: data.basis ?? 0, at: data.inputs_at ?? '', evidence: data.evidence ?? [], values }
}
/** Another policy does not unmake a pass; other evidence that does not pass does. */
export const baselineOf = ({ latest, passed }: Gate): Passed | undefined =>
  passed && (latest?.data.verdict === 'pass' || same(latest?.data.evidence ?? [], passed.evidence)) ? passed : undefined

const kept = (all: readonly Decision[]) =>
  all
    .map(({ id, at, data }) => ({ id, at, data: { ...data, criteria: [], requirements: [], evidence: [] } }))
    .sort((a, b) => basis(b) - basis(a))
    .slice(0, 20)

/** Four eyes: whoever contributed cannot waive, and where somebody cannot be identified nobody can say who contributed. */
function checkWaiver({ latest }: Gate, { criterion, until, contributors }: Waive, actor: string, at: Instant) {
  if (!latest) refuse('not_found', 'there is no verdict for this artifact yet')
  const known = latest.data.criteria.map(({ id }) => id)
  if (!known.includes(criterion))
    refuse('invalid', `criterion: the policy has no "${criterion}"; it has ${known.join(', ') || 'none'}`, { path: 'criterion' })
  if (until <= at) refuse('invalid', `until: ${until} has passed; a waiver ends in the future`, { path: 'until' })
  if (!actor.startsWith('person:')) refuse('four_eyes', 'only a person can waive; this token belongs to a service')
  const own = contributors?.find((one) => one.actor === actor)
  if (own) refuse('four_eyes', `${actor} contributed to the change (${own.role}) and cannot waive for it`)
  const strangers = unidentified(contributors ?? [])
  if (!contributors) refuse('unknown_identity', 'what this artifact contains is not known yet, so nobody can say who contributed to it')
  if (strangers.length > 0) {
    refuse('unknown_identity', `${strangers.length} contributor(s) cannot be identified: map them to persons first`, {
      missing: strangers.map(({ actor: who, role }) => `${who} (${role})`),
    })
  }
}

export const gate = stream('gate', fact, { earlier: [], waivers: [] } as Gate)({
  fold: 1,

  asks: {
    waive(gate, input: Waive, { actor, at, streamId }) {
      checkWaiver(gate, input, actor, at)
      const { criterion, reason, until } = input
      const again = gate.waivers.some(
        (one) => one.criterion === criterion && one.by === actor && one.until === until && one.reason === reason,
      )
      return again ? [] : [fact.waived({ artifact: streamId, criterion, by: actor, reason, until })]
    },
  },

  tells: {
    /** A new verdict only where what it rests on has changed; one that had seen less than the one in force comes too late. */
    decided({ latest }, decided: Decided) {
      if (latest && basis(latest) > (decided.basis ?? 0)) return []
      return latest && latest.data.inputs_hash === decided.inputs_hash && latest.data.policy_hash === decided.policy_hash
        ? []
        : [fact.decided(decided)]
    },
  },

  evolve: {
    decided(gate, data, { id, at }) {
      const decision = { id, at, data }
      const own = passedOf(decision)
      const passed = own && own.basis >= (gate.passed?.basis ?? 0) ? { passed: own } : {}
      if (!gate.latest) return { ...gate, ...passed, latest: decision }
      const [latest, earlier] = basis(gate.latest) > basis(decision) ? [gate.latest, decision] : [decision, gate.latest]
      return { ...gate, ...passed, latest, earlier: kept([earlier, ...gate.earlier]) }
    },
    waived: (gate, { criterion, by, reason, until }, { at }) => ({
      ...gate,
      waivers: [...gate.waivers, { criterion, by, reason, until, given_at: at }]
        .sort((a, b) => (`${a.given_at} ${a.criterion} ${a.by}` < `${b.given_at} ${b.criterion} ${b.by}` ? -1 : 1))
        .slice(-100),
    }),
  },

  phase: ({ latest }) => latest?.data.verdict ?? 'unseen',
  keys: {
    service: ({ latest }) => (latest ? [latest.data.service] : []),
    /** Of those that others may be measured against. */
    baseline: (gate) => (gate.latest && baselineOf(gate) ? [gate.latest.data.service] : []),
  },
  loops: ({ latest }) => latest?.data.requirements ?? [],
})
