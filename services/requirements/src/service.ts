import type { Service } from '@rondo/runtime'
import { reactions } from './reactions.ts'
import { requirement } from './requirement.ts'
import { rpc } from './rpc.ts'

export const requirements: Service = {
  name: 'requirements',
  streams: [requirement],
  reactions,
  rpc: { 'rondo.requirements.v1.Requirements': rpc },
}
