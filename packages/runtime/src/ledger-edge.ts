import { z } from 'zod'
import type { Host } from './host.ts'
import { ledgerService } from './ledger-rpc.ts'
import type { Caller, RpcTable } from './service.ts'

/**
 * At the edge one can ask for any service's ledger: what does not run here is asked where it runs, in the caller's name.
 * A service that does not answer is left out of an answer over all; readiness tells of it.
 */
export function edgeTable(table: RpcTable, here: readonly string[]): RpcTable {
  const elsewhere = ({ config }: Host) => Object.keys(config.serviceAddresses).filter((name) => !here.includes(name))
  const asked = (host: Host, service: string, method: string, request: object, { authorization }: Caller) =>
    host.channels.call(service, `${ledgerService}/${method}`, { ...request, service }, { authorization })
  const rows = Object.entries(table).map(([method, row]) => {
    if (!('call' in row) || row.open) return [method, row] as const
    const call: typeof row.call = async (request: { readonly service: string }, host, caller) => {
      if (elsewhere(host).includes(request.service)) return asked(host, request.service, method, request, caller)
      const own = await row.call(request, host, caller)
      if (method !== 'Status' || request.service !== '') return own
      const others = await Promise.allSettled(elsewhere(host).map((name) => asked(host, name, method, request, caller)))
      const found = others.flatMap((one) => (one.status === 'fulfilled' ? servicesIn(one.value) : []))
      return { services: [...servicesIn(own), ...found] }
    }
    return [method, { ...row, call }] as const
  })
  return Object.fromEntries(rows)
}

const answers = z.object({ services: z.array(z.unknown()) })
const servicesIn = (answer: unknown): readonly unknown[] => answers.parse(answer).services
