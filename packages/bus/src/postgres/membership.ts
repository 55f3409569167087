import type pg from 'pg'
import { asError, BusError } from '../error.ts'
import { notifyGroupStatement, type Session } from './session.ts'

export interface Held {
  readonly topic: string
  readonly number: number
  readonly partition: number
  /** Whether it is still meant for this member, or to be let go of. */
  readonly wanted: boolean
}

/** A member that could not give a sign of life for so long (milliseconds) stops by itself; the database gives it up after 15 s. */
const giveUpAfter_ms = 10_000
const memberLock = 1380078931

const joinStatement = `
  with made as (insert into bus.member (group_name, topics, seen_at) values ($1, $2, clock_timestamp()) returning number)
  select number, pg_advisory_lock(${memberLock}, number) from made`

const balanceStatement = `
  select topic, topic_number as number, partition_number as partition, is_wanted as wanted from bus.rebalance($1)`

/**
 * One member of a group as the database sees it: it lives while its session holds its lock and it gives a sign of life.
 */
export class Membership {
  readonly #pool: pg.Pool
  readonly #session: Session
  readonly #group: string
  readonly #topics: readonly string[]
  #member: { readonly number: number; readonly on: pg.Client } | undefined
  #lastSign = performance.now()

  constructor(pool: pg.Pool, session: Session, group: string, topics: readonly string[]) {
    this.#pool = pool
    this.#session = session
    this.#group = group
    this.#topics = topics
  }

  /** Whether others may already take what this member holds. */
  get isSilent(): boolean {
    return performance.now() - this.#lastSign > giveUpAfter_ms
  }

  /** Everything it held may be read by others now. */
  forget(): void {
    this.#member = undefined
  }

  /** A sign of life; what the member holds, or undefined while there is no session or it was given up for dead (it joins again at the next). */
  async balance(): Promise<readonly Held[] | undefined> {
    const on = this.#session.client
    if (on === undefined) return undefined
    try {
      const member = this.#member?.on === on ? this.#member : { number: await this.#join(on), on }
      this.#member = member
      const { rows } = await this.#pool.query<Held>(balanceStatement, [member.number])
      if (this.#member !== member) return undefined
      if (rows.length === 0 && !(await this.#isKnown(member.number))) {
        this.#member = undefined
        return undefined
      }
      this.#lastSign = performance.now()
      return rows
    } catch (error) {
      const message = `the group ${this.#group} could not be kept: ${asError(error).message}`
      throw new BusError('unavailable', message, { group: this.#group }, { cause: error })
    }
  }

  /** Lets go of one partition, and wakes who waits for it. */
  async release({ number, partition }: Held): Promise<void> {
    const text = 'delete from bus.lease where group_name = $1 and topic = $2 and partition = $3 and member = $4'
    await this.#pool.query(text, [this.#group, number, partition, this.#member?.number])
    await this.#tell()
  }

  async leave(): Promise<void> {
    const member = this.#member
    if (member === undefined) return
    this.#member = undefined
    await this.#pool.query('delete from bus.member where number = $1', [member.number])
    await this.#session.query(member.on, 'select pg_advisory_unlock($1, $2)', [memberLock, member.number])
    await this.#tell()
  }

  async #join(on: pg.Client): Promise<number> {
    const [row] = await this.#session.query<{ number: number }>(on, joinStatement, [this.#group, this.#topics])
    await this.#tell()
    const number = row?.number
    if (number === undefined) throw new Error('the database gave the member no number')
    return number
  }

  async #tell(): Promise<void> {
    await this.#pool.query(notifyGroupStatement, [this.#group])
  }

  async #isKnown(number: number): Promise<boolean> {
    const { rowCount } = await this.#pool.query('select from bus.member where number = $1', [number])
    return rowCount === 1
  }
}
