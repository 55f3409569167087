import { setTimeout as pause } from 'node:timers/promises'
import { BusError } from '../error.ts'
import type { Log } from '../port.ts'
import { type KafkaClient, protocolError } from './client.ts'
import { assignments, given, introduced, topicsOf } from './dealing.ts'
import { type Broker, type Cluster, openCluster } from './protocol.ts'

/** Milliseconds. A member learns within this time that the group comes together anew. */
export const heartbeat_ms = 3000
/** After a crash the group waits so long for the member that is gone. */
const session_ms = 10_000
/** And so long for members that have still something to handle before they come together with the others. */
export const rebalance_ms = 60_000
const joinsMost = 10

/** What a member is told that has to join anew. */
const comesTogether = new Set(['REBALANCE_IN_PROGRESS', 'ILLEGAL_GENERATION', 'UNKNOWN_MEMBER_ID'])
/** And what one is told that is just joining. */
const again = new Set([...comesTogether, 'NOT_COORDINATOR_FOR_GROUP'])

export interface Assigned {
  readonly topic: string
  readonly partition: number
}

export interface MembershipOptions {
  readonly group: string
  readonly topics: readonly string[]
  /** The same for all members of the process, see `dealt`. */
  readonly process: string
  /** The group comes together anew: when it resolves, nothing is handled any more. Must not reject. */
  readonly parting: () => Promise<void>
  readonly assigned: (assigned: readonly Assigned[]) => void
  /** It is no longer in the group, and does not come back by itself. */
  readonly failed: (error: unknown) => void
}

/**
 * A place in a consumer group, which says who reads which partitions and nothing else: joins, answers for it, comes together with the others.
 * The client's own consumer does so only between two of its fetches.
 */
export class Membership {
  readonly #options: MembershipOptions
  readonly #client: KafkaClient
  readonly #log: Log
  #cluster: Cluster | undefined
  #coordinator: Broker | undefined
  #memberId = ''
  #generation = -1
  #lastSign = performance.now()
  #beating = false
  /** `parting`: it still answers for the partitions that it has. */
  #standing: 'joining' | 'in' | 'parting' | 'out' = 'joining'

  constructor(client: KafkaClient, log: Log, options: MembershipOptions) {
    this.#client = client
    this.#log = log
    this.#options = options
  }

  /** Resolves when partitions were assigned. */
  async join(): Promise<void> {
    const cluster = await openCluster(this.#client)
    if (this.#isOut) return void (await cluster.disconnect())
    this.#cluster = cluster
    await cluster.addMultipleTargetTopics(this.#options.topics)
    await this.#comeTogether()
  }

  /** To be called each `heartbeat_ms`. Never rejects. */
  async beat(): Promise<void> {
    const standing = this.#standing
    if (this.#beating || (standing !== 'in' && standing !== 'parting')) return
    this.#beating = true
    try {
      await this.#askCoordinator((coordinator) => coordinator.heartbeat(this.#me))
    } catch (error) {
      this.#answered(error)
    } finally {
      this.#beating = false
    }
  }

  /** What the group's offsets are for whoever looks at them. */
  async commit(offsets: readonly { readonly topic: string; readonly partition: number; readonly offset: bigint }[]): Promise<void> {
    if (this.#standing !== 'in') return
    const topics = [...Map.groupBy(offsets, ({ topic }) => topic)].map(([topic, own]) => ({
      topic,
      partitions: own.map(({ partition, offset }) => ({ partition, offset: String(offset) })),
    }))
    await this.#askCoordinator((coordinator) => coordinator.offsetCommit({ ...this.#me, topics }))
  }

  /** Lets the others have what it read, and closes its connections. */
  async leave(): Promise<void> {
    const standing = this.#standing
    this.#standing = 'out'
    const [cluster, coordinator] = [this.#cluster, this.#coordinator]
    // The broker answers nothing else on this connection until the group has come together
    if (standing === 'joining') coordinator?.connectionPool.abandon(0)
    try {
      if (this.#memberId !== '') await coordinator?.leaveGroup({ groupId: this.#options.group, memberId: this.#memberId })
    } finally {
      await cluster?.disconnect()
    }
  }

  get #isOut(): boolean {
    return this.#standing === 'out'
  }

  get #me() {
    return { groupId: this.#options.group, memberId: this.#memberId, groupGenerationId: this.#generation }
  }

  async #askCoordinator<Answer>(ask: (coordinator: Broker) => Promise<Answer>): Promise<Answer> {
    if (!this.#cluster) throw new BusError('unavailable', 'the group is not joined')
    this.#coordinator ??= await this.#cluster.findGroupCoordinator({ groupId: this.#options.group })
    const answer = await ask(this.#coordinator)
    this.#lastSign = performance.now()
    return answer
  }

  /** The coordinator is looked for anew until the session must be over: a broker that goes takes no member with it. */
  #answered(error: unknown): void {
    const type = protocolError(error) ?? ''
    if (this.#isOut) return
    if (comesTogether.has(type)) {
      if (this.#standing === 'in') void this.#comeTogetherAnew(type)
      return
    }
    this.#coordinator = undefined
    if (performance.now() - this.#lastSign > session_ms) this.#fail(error)
    else this.#log('debug', `a heartbeat of ${this.#options.group} was not answered; it is tried again`, { error })
  }

  #fail(error: unknown): void {
    if (this.#isOut) return
    this.#standing = 'out'
    this.#options.failed(error)
  }

  async #comeTogetherAnew(why: string): Promise<void> {
    this.#standing = 'parting'
    await this.#options.parting()
    if (this.#isOut) return
    if (why === 'UNKNOWN_MEMBER_ID') this.#memberId = ''
    try {
      await this.#comeTogether()
    } catch (error) {
      this.#fail(error)
    }
  }

  async #comeTogether(): Promise<void> {
    this.#standing = 'joining'
    for (let tries = 1; !this.#isOut; tries += 1) {
      try {
        const assigned = await this.#joined()
        if (this.#isOut) return
        this.#standing = 'in'
        return this.#options.assigned(assigned)
      } catch (error) {
        const type = protocolError(error) ?? ''
        if (!again.has(type) || tries === joinsMost) throw error
        if (type === 'UNKNOWN_MEMBER_ID') this.#memberId = ''
        if (type === 'NOT_COORDINATOR_FOR_GROUP') this.#coordinator = undefined
        await pause(Math.min(1000, 10 * 2 ** tries))
      }
    }
  }

  async #joined(): Promise<readonly Assigned[]> {
    const { group: groupId, topics, process } = this.#options
    const groupProtocols = introduced(process, topics)
    const timeouts = { sessionTimeout: session_ms, rebalanceTimeout: rebalance_ms }
    const { generationId, leaderId, memberId, members } = await this.#askCoordinator((coordinator) =>
      coordinator.joinGroup({ groupId, memberId: this.#memberId, groupProtocols, ...timeouts }),
    )
    this.#memberId = memberId
    this.#generation = generationId
    const groupAssignment = leaderId === memberId ? await this.#deal(members) : []
    const { memberAssignment } = await this.#askCoordinator((coordinator) =>
      coordinator.syncGroup({ groupId, memberId, generationId, groupAssignment }),
    )
    return given(memberAssignment).filter(({ topic }) => topics.includes(topic))
  }

  /** Members of another version may read other topics; a stranger's that is nowhere is left out. */
  async #deal(members: Parameters<typeof assignments>[0]) {
    const cluster = this.#cluster
    if (!cluster) return []
    await cluster.addMultipleTargetTopics(topicsOf(members)).catch((error: unknown) => {
      this.#log('warn', `not all topics of ${this.#options.group} can be dealt out`, { error })
    })
    await cluster.refreshMetadata()
    return assignments(members, (topic) => cluster.findTopicPartitionMetadata(topic).map(({ partitionId }) => partitionId))
  }
}
