import { createHash } from 'node:crypto'
import { policy as fact } from '@rondo/contracts/builds'
import { type Instant, refuse, stream } from '@rondo/kernel'
import { defaultPolicy, readPolicy } from './policy.ts'

/** A service's policy in force; the stream's id is the service's name. Earlier versions are its events. */
export interface Policies {
  readonly yaml?: string | undefined
  readonly hash?: string | undefined
  readonly by?: string | undefined
  readonly at?: Instant | undefined
  /** 0: none was put. */
  readonly version: number
}

export const hashOf = (yaml: string): string => createHash('sha256').update(yaml).digest('hex')
export const inForce = ({ yaml = defaultPolicy, hash, version }: Policies) => ({ yaml, hash: hash ?? hashOf(yaml), version })

export const policy = stream('policy', fact, { version: 0 } as Policies)({
  fold: 1,
  asks: {
    put(policies, { yaml }: { yaml: string }, { actor, streamId }) {
      if (readPolicy(yaml).criteria.every(({ pass }) => pass.length === 0)) {
        refuse('invalid', 'criteria: none has a "pass" objective, so no verdict could ever be anything but inconclusive', {
          path: 'criteria',
        })
      }
      return policies.yaml === yaml ? [] : [fact.put({ service: streamId, yaml, hash: hashOf(yaml), by: actor })]
    },
  },
  tells: {},
  evolve: { put: ({ version }, { yaml, hash, by }, { at }) => ({ yaml, hash, by, at, version: version + 1 }) },
  keys: {},
})
