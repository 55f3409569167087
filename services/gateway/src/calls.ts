import type { Feedback } from '@rondo/proto/feedback'
import type { Ledger } from '@rondo/proto/ledger'
import type { Requirements } from '@rondo/proto/requirements'
import type { CallOptions, Host, StreamOptions } from '@rondo/runtime'

/** What the edge itself asks of the services, with its types from the protos. */
interface Calls {
  readonly 'rondo.ledger.v1.Ledger/History': Ledger['History']
  readonly 'rondo.ledger.v1.Ledger/Status': Ledger['Status']
  readonly 'rondo.requirements.v1.Requirements/GetRequirement': Requirements['GetRequirement']
  readonly 'rondo.requirements.v1.Requirements/ListRequirements': Requirements['ListRequirements']
}
interface Streams {
  readonly 'rondo.feedback.v1.Feedback/Subscribe': Feedback['Subscribe']
  readonly 'rondo.ledger.v1.Ledger/Tail': Ledger['Tail']
}

export async function call<Name extends keyof Calls>(
  host: Host,
  service: string,
  name: Name,
  request: Calls[Name]['request'],
  options: CallOptions,
): Promise<Calls[Name]['response']> {
  const answer: object = await host.channels.call(service, name, { ...request }, options)
  return answer as Calls[Name]['response']
}

export function stream<Name extends keyof Streams>(
  host: Host,
  service: string,
  name: Name,
  request: Streams[Name]['request'],
  options: StreamOptions,
): AsyncIterable<Streams[Name]['response']> {
  const answers: AsyncIterable<object> = host.channels.stream(service, name, Object.fromEntries(Object.entries(request)), options)
  return answers as AsyncIterable<Streams[Name]['response']>
}
