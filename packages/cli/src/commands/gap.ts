import type { Ledger } from '@rondo/proto/ledger'
import type { Session } from '../session.ts'

export interface ReplayOptions {
  readonly from: string
  readonly partition?: number
}

/** Sends what a service has recorded to the bus once more: for whoever misses some of it. */
export async function replay({ api, terminal }: Session, service: string, { from, partition }: ReplayOptions): Promise<void> {
  const request: Ledger['Replay']['request'] = { service, from_position: from, ...(partition === undefined ? {} : { partition }) }
  const { sent, last_position } = await api.rpc<Ledger['Replay']['response']>('rondo.ledger.v1.Ledger/Replay', request)
  terminal.data(
    { service, sent, last_position },
    `${sent} events of ${service} were sent again, up to position ${last_position}. Who missed some looks again within 15 s; who has them passes over them.`,
  )
}

/** What came after the backup is given up: from here on another history begins, and its readers are told so. */
export async function restore(
  { api, terminal }: Session,
  service: string,
  { anyway = false }: { readonly anyway?: boolean },
): Promise<void> {
  const request: Ledger['RaiseEpoch']['request'] = { service, anyway }
  const { epoch, older_copy } = await api.rpc<Ledger['RaiseEpoch']['response']>('rondo.ledger.v1.Ledger/RaiseEpoch', request)
  const given = older_copy
    ? 'what it had recorded after it is given up.'
    : 'nothing showed that it is an older copy; whoever follows its events begins anew.'
  terminal.data({ service, epoch, older_copy }, `${service} goes on from its backup, in epoch ${epoch}: ${given}`)
}

export interface GapOptions {
  readonly topic: string
  readonly partition: number
  readonly why: string
}

/** Lets a service go on behind intake that was deleted before it was read. */
export async function acceptGap({ api, terminal }: Session, service: string, { topic, partition, why }: GapOptions): Promise<void> {
  const request: Ledger['AcceptGap']['request'] = { service, topic, partition, why }
  const { wanted_offset, next_offset } = await api.rpc<Ledger['AcceptGap']['response']>('rondo.ledger.v1.Ledger/AcceptGap', request)
  terminal.data(
    { service, topic, partition, wanted_offset, next_offset },
    `${service} goes on at offset ${next_offset} of ${topic}/${partition}; what lay from ${wanted_offset} on is lost to it. The decision is kept.`,
  )
}
