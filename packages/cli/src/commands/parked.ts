import type { Ledger, ParkedKey } from '@rondo/proto/ledger'
import { serviceNames } from '@rondo/runtime/variables'
import type { Api } from '../api.ts'
import { CliError } from '../exit.ts'
import type { Session } from '../session.ts'

/** Where the key is parked: `rondo status` shows it. */
async function placeOf(api: Api, service: string, key: string): Promise<ParkedKey> {
  const { services } = await api.rpc<Ledger['Status']['response']>('rondo.ledger.v1.Ledger/Status', { service })
  const parked = services.flatMap(({ parked_keys }) => parked_keys)
  const found = parked.find((one) => one.key === key)
  if (found) return found
  const known = parked.map((one) => one.key).join(', ')
  throw new CliError('notFound', `${service} has no parked key "${key}"${known ? `; there are ${known}` : ': nothing is parked there'}`)
}

/** Which services to ask: the one that is named, else all. */
const askedOf = (service: string | undefined): readonly string[] => (service === undefined ? serviceNames : [service])

/** The keys that wait for a person, of one service or of all. */
export async function listParked({ api, terminal }: Session, service: string | undefined): Promise<void> {
  const answers = await Promise.all(
    askedOf(service).map((name) => api.rpc<Ledger['Status']['response']>('rondo.ledger.v1.Ledger/Status', { service: name })),
  )
  const parked = answers.flatMap(({ services }) =>
    services.flatMap((one) => one.parked_keys.map((key) => ({ service: one.service, ...key }))),
  )
  const lines = parked.map(
    ({ service: name, key, source, partition, since, waiting, reason }) =>
      `${name}  ${key}  ${waiting} wait since ${since} (${source}/${partition}): ${reason}`,
  )
  terminal.data({ parked }, lines.length > 0 ? lines.join('\n') : 'Nothing is parked.')
}

/** What waits behind a key, and what was decided of its records. */
export async function showParked({ api, terminal }: Session, service: string, key: string): Promise<void> {
  const request: Ledger['ShowParked']['request'] = { service, key }
  const { records, decisions } = await api.rpc<Ledger['ShowParked']['response']>('rondo.ledger.v1.Ledger/ShowParked', request)
  const lines = [
    ...records.map(({ source, partition, event }) =>
      event
        ? `waits    ${event.event_id}  ${event.type}  of ${event.occurred_at} (${source}/${partition})\n         ${event.data_json}`
        : '',
    ),
    ...decisions.map(({ at, actor, decision, why, event_id }) => `${decision.padEnd(9)}${event_id}  by ${actor} at ${at}: ${why}`),
  ]
  terminal.data({ service, key, records, decisions }, lines.join('\n'))
}

/** Tries the records of a parked key again, after what kept them from being applied was mended. */
export async function retryParked(
  { api, terminal }: Session,
  service: string,
  key: string,
  { why }: { readonly why: string },
): Promise<void> {
  const { source, partition } = await placeOf(api, service, key)
  const request: Ledger['RetryParked']['request'] = { service, source, partition, key, why }
  const answer = await api.rpc<Ledger['RetryParked']['response']>('rondo.ledger.v1.Ledger/RetryParked', request)
  const { applied, waiting, reason } = answer
  terminal.data(
    { service, key, ...answer },
    waiting === '0'
      ? `${applied} records of ${key} were applied: it is parked no more.`
      : `${applied} records of ${key} were applied, ${waiting} wait: ${reason}`,
  )
  if (waiting !== '0') throw new CliError('failed', `${key} is still parked: ${reason}`, { waiting })
}

/** Leaves the oldest record of a parked key out, for good; those behind it wait for a retry. */
export async function skipParked(
  { api, terminal }: Session,
  service: string,
  key: string,
  { why }: { readonly why: string },
): Promise<void> {
  const { source, partition } = await placeOf(api, service, key)
  const request: Ledger['SkipParked']['request'] = { service, source, partition, key, why }
  const answer = await api.rpc<Ledger['SkipParked']['response']>('rondo.ledger.v1.Ledger/SkipParked', request)
  terminal.data(
    { service, key, ...answer },
    `${answer.event_id} was left out by ${service}. ${answer.waiting} records of ${key} still wait${answer.waiting === '0' ? '' : ': "rondo parked retry" applies them'}.`,
  )
}
