import type { Ledger, ServiceStatus } from '@rondo/proto/ledger'
import { z } from 'zod'
import { CliError } from '../exit.ts'
import type { Session } from '../session.ts'
import type { Terminal } from '../terminal.ts'

const readiness = z.object({
  ready: z.boolean(),
  components: z.array(z.object({ name: z.string(), ready: z.boolean(), cause: z.string().optional(), fix: z.string().optional() })),
})
type Readiness = z.infer<typeof readiness>

function serviceLines(terminal: Terminal, { service, position, relay_delay_ms, parked_keys, paused_partitions }: ServiceStatus): string[] {
  const lag = Number(relay_delay_ms) > 0 ? terminal.colour('yellow', `the bus is ${relay_delay_ms} ms behind`) : 'the bus has all'
  return [
    `  ${service.padEnd(14)}${position.padStart(10)} events   ${lag}`,
    ...parked_keys.map(
      ({ key, source, partition, reason, waiting }) =>
        `    ${terminal.colour('red', 'parked')} ${source}/${partition} ${key} (${waiting} wait): ${reason}`,
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

/** What runs, how far each ledger is, what stands still and what helps. Ends with `failed` where not all can work. */
export async function status({ api, terminal }: Session): Promise<void> {
  const parsed = readiness.safeParse(await api.look('/readyz'))
  if (!parsed.success) throw new CliError('failed', `what listens at ${api.url} is no Rondo: /readyz answers something else`)
  const { ready, components } = parsed.data
  const { services } = await api.rpc<Ledger['Status']['response']>('rondo.ledger.v1.Ledger/Status', { service: '' })
  const text = [
    `${api.url}  ${ready ? terminal.colour('green', 'ready') : terminal.colour('red', 'not ready')}`,
    ...componentLines(terminal, parsed.data),
    ...services.flatMap((one) => serviceLines(terminal, one)),
  ]
  terminal.data({ url: api.url, ready, components, services }, text.join('\n'))
  if (!ready)
    throw new CliError('failed', 'not every part can work', { not_ready: components.filter((one) => !one.ready).map(({ name }) => name) })
}
