import type pg from 'pg'
import { asError, BusError } from '../error.ts'
import { type PartitionWork, partitionWork } from '../partition-work.ts'
import type { Bounds, ConsumeOptions, Consumer, Lag, Log, Pace } from '../port.ts'
import { bounded } from '../time.ts'
import { type Ear, notifyGroupStatement, type Session } from './session.ts'
import type { PostgresStore } from './store.ts'

export interface PollPace extends Pace {
  /** The safety net under the wake-ups. */
  readonly poll: number
  /** Between two signs of life of a member. The database gives it up after 15 s without one. */
  readonly heartbeat: number
}

/** A member that could not give a sign of life for so long (milliseconds) stops by itself, before others take its partitions. */
const giveUpAfter_ms = 10_000
const stopWithin_ms = 5000
const memberLock = 1380078931

interface Held {
  readonly topic: string
  readonly topic_number: number
  readonly partition_number: number
  readonly is_wanted: boolean
}

interface Reading {
  readonly work: PartitionWork
  readonly topicNumber: number
  pumping: boolean
}

const keyOf = (topic: string, partition: number): string => `${topic}/${partition}`

const boundsStatement = `
  select p.topic, p.partition, p.first, p.next
  from bus.partition p join unnest($1::int[], $2::int[]) w (topic, partition) on p.topic = w.topic and p.partition = w.partition`

/** A task that is asked for often and runs once at a time: what is asked for during a run makes one more run. */
function coalesced(task: () => Promise<void>): { ask(): void; idle(): Promise<void> } {
  let running: Promise<void> | undefined
  let asked = false
  const loop = async (): Promise<void> => {
    while (asked) {
      asked = false
      await task()
    }
    running = undefined
  }
  return {
    ask() {
      asked = true
      running ??= loop()
    },
    idle: async () => running,
  }
}

/** A member of a group on the embedded bus. */
export function consumePostgres(
  pool: pg.Pool,
  session: Session,
  store: PostgresStore,
  options: ConsumeOptions,
  pace: PollPace,
  log: Log,
): Consumer {
  const { group, topics, onError, onLag } = options
  const readings = new Map<string, Reading>()
  const revoking = new Set<string>()
  let member: { readonly number: number; readonly on: pg.Client } | undefined
  let lastSign = performance.now()
  let lastLag = 0
  let stopped = false

  const createReading = (topic: string, topicNumber: number, partition: number): Reading => {
    const feed = {
      topic,
      partition,
      async bounds(): Promise<Bounds> {
        const bounds = (await store.bounds(topic)).find((one) => one.partition === partition)
        if (bounds === undefined) throw new BusError('partition_mismatch', `${topic} has no partition ${partition}`, { topic, partition })
        return bounds
      },
      flow: () => poll.ask(),
      halt: () => undefined,
    }
    return { work: partitionWork(options, feed, pace), topicNumber, pumping: false }
  }

  const drop = async (key: string): Promise<void> => {
    const reading = readings.get(key)
    readings.delete(key)
    await reading?.work.revoke()
  }

  const dropAll = (): Promise<unknown> => Promise.all([...readings.keys()].map(drop))

  /** The partition goes to another member: after what is being handled, never during it. */
  const letGo = async ({ topic, topic_number, partition_number }: Held, me: number): Promise<void> => {
    const key = keyOf(topic, partition_number)
    if (revoking.has(key)) return
    revoking.add(key)
    try {
      await drop(key)
      const text = 'delete from bus.lease where group_name = $1 and topic = $2 and partition = $3 and member = $4'
      await pool.query(text, [group, topic_number, partition_number, me])
      await pool.query(notifyGroupStatement, [group])
    } catch (error) {
      onError(asError(error), topic, partition_number)
    } finally {
      revoking.delete(key)
    }
  }

  const join = async (on: pg.Client): Promise<number> => {
    const text = 'insert into bus.member (group_name, topics, seen_at) values ($1, $2, clock_timestamp()) returning number'
    // One transaction: a member without its lock would be taken for dead.
    const { rows } = await on.query<{ number: number }>(
      `with made as (${text}) select number, pg_advisory_lock(${memberLock}, number) from made`,
      [group, topics],
    )
    const number = rows[0]?.number
    if (number === undefined) throw new Error('no member number')
    await pool.query(notifyGroupStatement, [group])
    return number
  }

  const takeUp = (held: readonly Held[], me: number): void => {
    const keys = new Set(held.map(({ topic, partition_number }) => keyOf(topic, partition_number)))
    for (const key of readings.keys()) if (!keys.has(key)) void drop(key)
    for (const one of held) {
      const key = keyOf(one.topic, one.partition_number)
      if (!one.is_wanted) void letGo(one, me)
      else if (!readings.has(key) && !revoking.has(key)) {
        const reading = createReading(one.topic, one.topic_number, one.partition_number)
        readings.set(key, reading)
        reading.work.begin()
      }
    }
  }

  const balance = async (): Promise<void> => {
    const on = session.client
    if (stopped || on === undefined) return
    try {
      if (member?.on !== on) {
        member = undefined
        await dropAll()
        member = { number: await join(on), on }
      }
      const me = member
      const { rows } = await pool.query<Held>('select * from bus.rebalance($1)', [me.number])
      if (stopped || member !== me) return
      lastSign = performance.now()
      takeUp(rows, me.number)
      if (rows.length === 0 && !(await isMember(me.number))) {
        member = undefined
        balancing.ask()
      }
    } catch (error) {
      if (!stopped)
        onError(new BusError('unavailable', `the group ${group} could not be kept: ${asError(error).message}`, { group }, { cause: error }))
    }
  }

  const isMember = async (number: number): Promise<boolean> => {
    const { rowCount } = await pool.query('select from bus.member where number = $1', [number])
    return rowCount === 1
  }

  /** Reads on until it has seen the end. */
  const pump = async (reading: Reading): Promise<void> => {
    const { work } = reading
    if (reading.pumping) return
    reading.pumping = true
    try {
      for (let position = work.position; position !== undefined; position = work.position) {
        const records = await store.read(work.topic, work.partition, position)
        if (work.position !== position) continue
        const [first] = records
        const last = records.at(-1)
        if (first === undefined || last === undefined) break
        // Deleted between the look at the bounds and the read.
        if (first.offset !== position) work.suspect()
        else await work.deliver(records, last.offset + 1n)
      }
    } catch (error) {
      if (!stopped) onError(asError(error), work.topic, work.partition)
    } finally {
      reading.pumping = false
    }
  }

  const look = async (): Promise<void> => {
    const flowing = [...readings.values()].filter(({ work }) => work.position !== undefined)
    if (stopped || flowing.length === 0) return
    try {
      const values = [flowing.map(({ topicNumber }) => topicNumber), flowing.map(({ work }) => work.partition)]
      const { rows } = await pool.query<{ topic: number; partition: number; first: string; next: string }>(boundsStatement, values)
      const found = new Map(rows.map((row) => [`${row.topic}/${row.partition}`, { first: BigInt(row.first), next: BigInt(row.next) }]))
      const lags = flowing.flatMap((reading) => lagOf(reading, found.get(`${reading.topicNumber}/${reading.work.partition}`)))
      if (onLag !== undefined && performance.now() - lastLag >= pace.watch) {
        lastLag = performance.now()
        onLag(lags)
      }
    } catch (error) {
      if (!stopped) onError(asError(error))
    }
  }

  const lagOf = (reading: Reading, bounds: { first: bigint; next: bigint } | undefined): readonly Lag[] => {
    const { work } = reading
    if (bounds === undefined) return []
    work.check(bounds)
    const { position, topic, partition } = work
    if (position === undefined) return []
    if (bounds.next > position) void pump(reading)
    return [{ topic, partition, ...bounds, position, lag: bounds.next - position }]
  }

  const poll = coalesced(look)
  const balancing = coalesced(balance)

  const ear: Ear = {
    onRecords(topic) {
      if (topics.includes(topic)) poll.ask()
    },
    onGroup(name) {
      if (name === group) balancing.ask()
    },
    onLost() {
      // Its locks are gone: others may read its partitions from now on.
      member = undefined
      void dropAll()
    },
    onBack: () => balancing.ask(),
  }

  const beat = (): void => {
    if (performance.now() - lastSign > giveUpAfter_ms && readings.size > 0) {
      log('warn', `the group ${group} could not be reached for ${giveUpAfter_ms} ms: its partitions are given up`, {})
      member = undefined
      void dropAll()
    }
    balancing.ask()
  }

  const timers = [setInterval(beat, pace.heartbeat), setInterval(poll.ask, pace.poll)]
  session.add(ear)

  const leave = async (): Promise<void> => {
    if (member === undefined) return
    await pool.query('delete from bus.member where number = $1', [member.number])
    await member.on.query(`select pg_advisory_unlock(${memberLock}, $1)`, [member.number])
    await pool.query(notifyGroupStatement, [group])
  }

  return {
    get paused() {
      return [...readings.values()].flatMap(({ work: { topic, partition, standsStill } }) =>
        standsStill === undefined ? [] : [{ topic, partition, reason: standsStill }],
      )
    },
    resume(topic, partition) {
      readings.get(keyOf(topic, partition))?.work.resume()
    },
    async stop() {
      if (stopped) return
      stopped = true
      for (const timer of timers) clearInterval(timer)
      session.remove(ear)
      await balancing.idle()
      await bounded(dropAll(), stopWithin_ms)
      await leave().catch((error) => log('debug', `the group ${group} could not be left in order`, { error: asError(error).message }))
      await poll.idle()
    },
  }
}
