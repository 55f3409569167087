import type { Loops } from '@rondo/proto/intake'
import { rpcs } from '@rondo/runtime'
import { z } from 'zod'
import { loopOf } from './loop.ts'

export const loopsRpc = rpcs<Loops>()({
  GetLoop: {
    roles: ['reporter', 'developer', 'approver', 'operator', 'product_owner', 'auditor'],
    request: z.strictObject({ requirement_id: z.string().min(1) }),
    call: async ({ requirement_id }, host, { authorization }) => {
      const { events, unreachable, ...loop } = await loopOf(host, requirement_id, authorization)
      return { ...loop, events: [...events], unreachable: [...unreachable] }
    },
  },
})
