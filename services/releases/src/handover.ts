import { handover as fact } from '@rondo/contracts/releases'
import { refuse, stream } from '@rondo/kernel'
import { isPerson } from './four-eyes.ts'

export interface Offer {
  readonly service: string
  readonly from: string
  readonly to: string
  readonly runbook?: string | undefined
  readonly requirements: readonly string[]
}
export interface Handover {
  readonly step: 'unseen' | 'offered' | 'accepted' | 'declined'
  readonly service: string
  readonly from: string
  readonly to: string
  readonly by: string
  readonly reason: string
  readonly requirements: readonly string[]
}

const unseen: Handover = { step: 'unseen', service: '', from: '', to: '', by: '', reason: '', requirements: [] }

/** At each moment exactly one team: who delivers, until the other one accepted. */
export const responsible = ({ step, from, to }: Handover): string => (step === 'accepted' ? to : from)

function offered({ step, by }: Handover) {
  if (step === 'unseen') refuse('not_found', 'this release was not offered to anybody: offer it first')
  return { step, by }
}
const named = (actor: string, what: string) => {
  if (!isPerson(actor)) refuse('forbidden', `only a person can ${what} a hand-over, ${actor} is none`)
}

export const handover = stream(
  'handover',
  fact,
  unseen,
)({
  fold: 1,
  asks: {
    offer(state, { service, from, to, runbook, requirements }: Offer, { actor, streamId }) {
      if (state.step === 'accepted') refuse('wrong_phase', `it was accepted by ${state.by} already`, { phase: state.step })
      if (from === to) refuse('invalid', `${to} cannot hand over to itself`, { path: 'to' })
      if (state.step === 'offered' && state.to === to && state.from === from) return []
      return [
        fact.offered({ release: streamId, service, from, to, by: actor, requirements: [...requirements], ...(runbook ? { runbook } : {}) }),
      ]
    },
    accept(state, _: undefined, { actor, streamId }) {
      const { step, by } = offered(state)
      named(actor, 'accept')
      if (step === 'declined') refuse('wrong_phase', `it was declined by ${by}: offer it again first`, { phase: step })
      return step === 'accepted' ? [] : [fact.accepted({ release: streamId, service: state.service, team: state.to, by: actor })]
    },
    decline(state, { reason }: { reason: string }, { actor, streamId }) {
      const { step, by } = offered(state)
      named(actor, 'decline')
      if (step === 'accepted') refuse('wrong_phase', `it was accepted by ${by} already`, { phase: step })
      return step === 'declined' ? [] : [fact.declined({ release: streamId, service: state.service, by: actor, reason })]
    },
  },
  tells: {},
  evolve: {
    offered: (_, { service, from, to, by, requirements }) => ({ step: 'offered', service, from, to, by, requirements, reason: '' }),
    accepted: (state, { by }) => ({ ...state, step: 'accepted', by, reason: '' }),
    declined: (state, { by, reason }) => ({ ...state, step: 'declined', by, reason }),
  },
  phase: ({ step }) => step,
  closed: ['accepted', 'declined'],
  keys: { service: ({ service }) => (service ? [service] : []) },
  loops: ({ requirements }) => requirements,
})
