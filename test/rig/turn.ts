import { z } from 'zod'
import { command } from '../cli/command.ts'
import type { Processes } from './processes.ts'

/** One turn of the loop that was played, by the ids that its spans are found by. */
export interface Turn {
  readonly requirement: string
  readonly service: string
  /** Of Alertmanager's alert. */
  readonly fingerprint: string
  readonly commit: string
  readonly artifact: string
  readonly release: string
}

const history = z.object({
  events: z.array(z.object({ type: z.string(), actor: z.string(), stream_id: z.string(), data: z.record(z.string(), z.unknown()) })),
})

/** Plays the demo, and takes the ids out of the history that it leaves. */
export async function played(rondo: Pick<Processes, 'url' | 'dataDir'>): Promise<Turn> {
  const { exit, out, err } = await command(rondo, ['demo', '--json'])
  if (exit !== 0) throw new Error(`the demo ended with ${exit}: ${err}\n${out}`)
  const { requirement } = z.object({ requirement: z.string() }).parse(JSON.parse(out.trimEnd().split('\n').at(-1) ?? ''))
  const { events } = history.parse(JSON.parse((await command(rondo, ['loop', requirement, '--json'])).out))
  const of = (type: string, actor?: string) => {
    const found = events.find((one) => one.type === `rondo.${type}` && (actor === undefined || one.actor === actor))
    if (!found) throw new Error(`the turn has no ${type}`)
    return found
  }
  const text = (type: string, field: string, actor?: string) => z.string().parse(of(type, actor).data[field])
  return {
    requirement,
    service: text('operations.signal.opened', 'service'),
    fingerprint: text('operations.signal.opened', 'fingerprint', 'service:demo-alertmanager'),
    commit: text('requirements.requirement.named', 'sha'),
    artifact: text('requirements.requirement.entered', 'artifact'),
    release: of('releases.release.approved').stream_id,
  }
}
