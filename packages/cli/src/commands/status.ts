import type { Ledger, ServiceStatus } from '@rondo/proto/ledger'
import { serviceNames } from '@rondo/runtime/variables'
import { z } from 'zod'
import type { Api } from '../api.ts'
import { CliError } from '../exit.ts'
import type { Session } from '../session.ts'
import type { Terminal } from '../terminal.ts'

const readiness = z.object({
  ready: z.boolean(),
  components: z.array(z.object({ name: z.string(), ready: z.boolean(), cause: z.string().optional(), fix: z.string().optional() })),
})
type Readiness = z.infer<typeof readiness>

function serviceLines(terminal: Terminal, status: ServiceStatus): string[] {
  const { service, position, relay_delay_ms, parked_keys, paused_partitions, consumer_lag, batch_size, conflict_rate } = status
  const unread = consumer_lag === '0' ? 'has read all' : terminal.colour('yellow', `${consumer_lag} to read`)
  const writes = batch_size > 0 ? `   ${batch_size.toFixed(1)} units a batch, ${(100 * conflict_rate).toFixed(1)} % decided again` : ''
  const lag = Number(relay_delay_ms) > 0 ? terminal.colour('yellow', `the bus is ${relay_delay_ms} ms behind`) : 'the bus has all'
  return [
    `  ${service.padEnd(14)}${position.padStart(10)} events   ${lag}, ${unread}${writes}`,
    ...parked_keys.map(
      ({ key, source, partition, reason, waiting }) =>
        `    ${terminal.colour('red', 'parked')} ${source}/${partition} ${key} (${waiting} wait): ${reason}. "rondo parked retry ${service} ${key} --why …" tries again, "skip" leaves it out`,
    ),
    ...paused_partitions.map(({ topic, partition, reason }) => `    ${terminal.colour('red', 'paused')} ${topic}/${partition}: ${reason}`),
  ]
}

const componentLines = (terminal: Terminal, { components }: Readiness): string[] =>
  components
    .filter(({ ready, cause }) => !ready || cause)
    .map(
      ({ name, ready, cause, fix }) =>
        `  ${terminal.colour(ready ? 'yellow' : 'red', ready ? 'degraded' : 'not ready')} ${name}: ${cause ?? 'unknown'}${fix ? `. What helps: ${fix}` : ''}`,
    )

/** One that runs as a process of its own may be away; the others are told all the same. */
async function ledgerOf(api: Api, service: string): Promise<ServiceStatus | { readonly service: string; readonly reason: string }> {
  try {
    const { services } = await api.rpc<Ledger['Status']['response']>('rondo.ledger.v1.Ledger/Status', { service })
    return services[0] ?? { service, reason: 'it does not run' }
  } catch (error) {
    if (error instanceof CliError && error.exit !== 'unauthenticated') return { service, reason: error.message }
    throw error
  }
}

/** What runs, how far each ledger is, what stands still and what helps. Ends with `failed` where not all can work. */
export async function status({ api, terminal }: Session): Promise<void> {
  const parsed = readiness.safeParse(await api.look('/readyz'))
  if (!parsed.success) throw new CliError('failed', `what listens at ${api.url} is no Rondo: /readyz answers something else`)
  const { ready, components } = parsed.data
  const asked = await Promise.all(serviceNames.map((service) => ledgerOf(api, service)))
  const services = asked.flatMap((one) => ('position' in one ? [one] : []))
  const unreachable = asked.flatMap((one) => ('position' in one ? [] : [one]))
  const text = [
    `${api.url}  ${ready ? terminal.colour('green', 'ready') : terminal.colour('red', 'not ready')}`,
    ...componentLines(terminal, parsed.data),
    ...services.flatMap((one) => serviceLines(terminal, one)),
    ...unreachable.map(({ service, reason }) => `  ${service.padEnd(14)}${terminal.colour('red', 'not reached')}: ${reason}`),
  ]
  terminal.data({ url: api.url, ready, components, services, unreachable }, text.join('\n'))
  if (!ready || unreachable.length > 0)
    throw new CliError('failed', 'not every part can work', {
      not_ready: [...components.filter((one) => !one.ready).map(({ name }) => name), ...unreachable.map(({ service }) => service)],
    })
}
