import { eventually } from '@rondo/testkit/eventually'
import { command } from '../cli/command.ts'
import { asked } from './backends.ts'
import { putBack } from './backup.ts'
import { services } from './drain.ts'
import type { Edge } from './edge.ts'
import { stateOf } from './fleet.ts'
import type { Found } from './gather.ts'
import { behind, type GoneBack, takenBack } from './gone-back.ts'
import type { Stage } from './stage.ts'

/** Milliseconds until each of those whose copy is behind has said so, and until all is well after it was settled. */
const noticedWithin = 60_000
const wellWithin = 90_000
/** Of what was taken back, so much is sent again under its id: what a careful caller does. */
const sentAgain = 20

/** The services whose status names the command that settles it, of any process. */
async function saying(stage: Stage): Promise<ReadonlySet<string>> {
  const states = await Promise.all(stage.fleet.members.map(stateOf))
  const fixes = states.flatMap(({ components }) => components.flatMap(({ ready, fix = '' }) => (ready ? [] : [fix])))
  return new Set(fixes.flatMap((fix) => /"rondo restore (\w+)"/.exec(fix)?.[1] ?? []))
}

async function noticedBy(stage: Stage, wanted: readonly string[]): Promise<ReadonlySet<string>> {
  let seen: ReadonlySet<string> = new Set()
  await eventually(
    async () => {
      seen = await saying(stage)
      return wanted.every((service) => seen.has(service))
    },
    { within: noticedWithin, every: 300 },
  ).catch(() => undefined) // the checker tells who did not
  return seen
}

async function headsOf(database: string): Promise<ReadonlyMap<string, number>> {
  const heads = services.map(async ({ name }) => {
    const [head] = await asked<{ position: string }>(database, `select position from ${name}.head`)
    return [name, Number(head?.position ?? 0)] as const
  })
  return new Map(await Promise.all(heads))
}

/** What the guide says: the operator’s command for each service that asks for it. */
async function settled(stage: Stage, wanted: Iterable<string>): Promise<void> {
  const { url } = stage.fleet.gateways[0] ?? { url: '' }
  for (const service of wanted) {
    const { exit, err } = await command({ url, dataDir: stage.engines.folder }, ['restore', service], {
      env: { RONDO_TOKEN: stage.fleet.token },
    })
    if (exit !== 0) throw new Error(`rondo restore ${service} ended with ${exit}: ${err}`)
  }
  await eventually(async () => (await Promise.all(stage.fleet.members.map(stateOf))).every(({ ready }) => ready), {
    within: wellWithin,
    every: 500,
  })
}

async function again(stage: Stage, edge: Edge, gone: GoneBack): Promise<void> {
  const taken = takenBack(stage.history.told, gone)
  const whole = ['Raise', 'DeclareIncident']
  const asks = new Map(stage.history.told.filter((one) => taken.has(one.messageId)).map((one) => [one.messageId, one]))
  const chosen = [...asks.values()].filter(({ method }) => whole.includes(method)).slice(-sentAgain)
  for (const { target, method, messageId, request } of chosen)
    if (target !== 'intake') await edge.ask(stage.random.below(edge.count), { target, method, messageId, request })
}

/**
 * Puts the older copy in the place of PostgreSQL's data while Kafka and (by the seed) all processes stay as they are, waits until it is
 * noticed, and settles it as the guide to backups says.
 */
export async function goBack(stage: Stage, edge: Edge, before: Found): Promise<GoneBack> {
  // By the seed alone, however much chance the faults have used
  const running = stage.random.fork('restore').chance(0.5)
  stage.say(`going back to the copy of PostgreSQL, ${running ? 'under running processes' : 'with all processes started anew'}`)
  const at = performance.now()
  if (!running) for (const member of stage.fleet.members) void member.kill()
  await putBack(stage)
  await stage.fleet.back()
  const heads = await headsOf(stage.database)
  const wanted = behind({ heads, before })
  const noticed = await noticedBy(stage, wanted)
  stage.say(`noticed by ${[...noticed].join(', ') || 'nobody'} after ${((performance.now() - at) / 1000).toFixed(0)} s; settling it`)
  await settled(stage, noticed)
  const gone = { at, running, heads, before, noticed }
  await again(stage, edge, gone)
  return gone
}
