import type { Api } from '../api.ts'

export interface Cdevent {
  readonly id: string
  readonly source: string
  /** Subject and predicate, such as `build.started`. */
  readonly what: string
  readonly subject: string
  readonly content: object
}

/** A CDEvent in a structured CloudEvent, as a CI system sends it; it happens now. */
export async function sendCdevent(api: Api, { id, source, what, subject, content }: Cdevent): Promise<void> {
  const type = `dev.cdevents.${what}.0.2.0`
  const timestamp = new Date().toISOString()
  const [kind = ''] = what.split('.')
  const data = { context: { version: '0.4.1', id, source, type, timestamp }, subject: { id: subject, source, type: kind, content } }
  const event = { specversion: '1.0', id, source, type, time: timestamp, datacontenttype: 'application/json', data }
  await api.request('POST', '/v1/events', { body: JSON.stringify(event), headers: { 'content-type': 'application/cloudevents+json' } })
}
