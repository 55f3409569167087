import { setTimeout as pause } from 'node:timers/promises'
import { type Caller, type Calling, told } from './callers.ts'
import { intakeBehind } from './drain.ts'
import { service } from './jobs.ts'
import type { Random } from './random.ts'
import type { Stage } from './stage.ts'

/** Events of one call. */
const batch = 100
/** So many that the services have not read yet: senders wait then, so that what is under way when all heals stays little. */
const behindMost = 25_000
/** Milliseconds between two batches of a sender where that is nearly so: there is always somebody who waits for the brokers. */
const restMost = 3000
const lookEvery = 1000
/** Kinds of errors that are told of: each has a stream of its own. */
const classes = 400

interface Sending extends Pick<Calling, 'edge' | 'random'> {
  readonly stage: Stage
  /** Acknowledged, of all callers: with so many there are enough to judge. */
  readonly most: number
}

const at = '2026-11-19T08:10:00Z'

/** A count of requests, none of which failed: its effect is one fact. */
const counted = (id: string, random: Random) => ({
  id,
  source: 'https://chaos.example.org',
  time: at,
  errors: {
    service,
    environment: 'production',
    artifact: '',
    error_class: `B${random.below(classes)}`,
    title: '',
    from: '2026-11-19T08:00:00Z',
    to: at,
    events: '0',
    requests: '1000',
    event_ids: [],
  },
})

const eventsOf = (name: string, random: Random) => Array.from({ length: batch }, (_, index) => counted(`${name}-${index}`, random))

/** Callers that hand in as much at once as is read. */
export function startSenders(count: number, sending: Sending): Caller {
  const { stage, most, random, edge } = sending
  const { intake } = stage
  let stopped = false
  const looking = async () => {
    while (!stopped) {
      // An engine that is down says nothing: what was known stands
      intake.behind = await intakeBehind(stage.database, stage.engines.addresses.kafka).catch(() => intake.behind)
      await pause(lookEvery)
    }
  }
  const send = async (sender: number) => {
    for (let n = 0; !stopped; n += 1) {
      if (intake.resting || intake.behind > behindMost || stage.history.acknowledged >= most) await pause(lookEvery / 4)
      else {
        const messageId = `bulk-${sender}-${n}`
        const events = eventsOf(messageId, random)
        const asBatch = (which: number) => edge.emit(which, { messageId, body: { events } })
        const asStream = (which: number) => edge.stream(which, { messageId, events })
        await told({ edge, random }, n % 2 === 0 ? asBatch : asStream)
        await pause((restMost * intake.behind) / behindMost)
      }
    }
  }
  const running = [looking(), ...Array.from({ length: count }, (_, sender) => send(sender))]
  return {
    async stop() {
      stopped = true
      await Promise.all(running)
    },
  }
}
