import { environment as fact } from '@rondo/contracts/releases'
import { type Instant, refuse, stream } from '@rondo/kernel'

export interface Environment {
  readonly environment: string
  /** Undefined: nobody said, its name decides. */
  readonly production?: boolean
  readonly rank: number
  readonly frozen_from?: Instant | undefined
  readonly frozen_until?: Instant | undefined
  readonly deployers: readonly string[]
}

export interface EnvironmentTerms {
  readonly production: boolean
  readonly rank: number
  readonly frozen_from?: Instant | undefined
  readonly frozen_until?: Instant | undefined
  readonly deployers: readonly string[]
}

const unseen: Environment = { environment: '', rank: 0, deployers: [] }

/** `production`, `prod`, `prod-eu` … */
export const isProduction = (name: string): boolean => /^prod(uction)?([-_./ ].*)?$/i.test(name)

/** What holds for an environment that nobody declared: its name says whether users are served there. */
export const environmentOf = (state: Environment, name: string) => ({
  ...state,
  environment: name,
  production: state.production ?? isProduction(name),
})

export const environment = stream(
  'environment',
  fact,
  unseen,
)({
  fold: 1,
  asks: {
    put(_, { frozen_from, frozen_until, ...terms }: EnvironmentTerms, { actor, streamId }) {
      if (frozen_until && !frozen_from) refuse('invalid', 'frozen_until needs frozen_from', { path: 'frozen_from' })
      if (frozen_from && frozen_until && frozen_until <= frozen_from)
        refuse('invalid', 'frozen_until must lie after frozen_from', { path: 'frozen_until' })
      const freeze = { ...(frozen_from ? { frozen_from } : {}), ...(frozen_until ? { frozen_until } : {}) }
      return [
        fact.put({
          environment: streamId,
          production: terms.production,
          rank: terms.rank,
          deployers: [...terms.deployers],
          ...freeze,
          by: actor,
        }),
      ]
    },
  },
  tells: {},
  evolve: { put: (_, { by: _by, ...put }) => put },
  phase: ({ environment }) => (environment ? 'declared' : 'unseen'),
  keys: {},
})
