import type { GroupMember, GroupMemberAssignment } from 'kafkajs'
import { kafkajs } from './client.ts'

interface Member {
  readonly memberId: string
  /** Whose it is: the same in each group that the process is in. */
  readonly process: string
  readonly topics: readonly string[]
}

/**
 * Ours, and the one that members of other clients and of earlier versions have: the group takes what all know. Whichever it is, who leads the
 * group deals as it does, and all others take what they get.
 */
const protocols = ['rondo-aligned', 'RoundRobinAssigner'] as const
const version = 0

/** What a member says of itself when it joins. */
export function introduced(process: string, topics: readonly string[]): readonly { readonly name: string; readonly metadata: Buffer }[] {
  const { MemberMetadata } = kafkajs().AssignerProtocol
  const metadata = MemberMetadata.encode({ version, topics: [...topics], userData: Buffer.from(process) })
  return protocols.map((name) => ({ name, metadata }))
}

const memberOf = ({ memberId, memberMetadata }: GroupMember): Member => {
  const said = kafkajs().AssignerProtocol.MemberMetadata.decode(memberMetadata)
  return { memberId, process: said?.userData.toString() || memberId, topics: said?.topics ?? [] }
}

const shiftOf = (topic: string): number => Buffer.from(topic).reduce((sum, byte) => (sum * 31 + byte) % 65_521, 0)

/** By member, its partitions of each topic. */
type Hands = ReadonlyMap<string, Readonly<Record<string, number[]>>>

/**
 * Each topic's partitions in turn to those who read it, by process: in each group that has a member of each process the same process gets the
 * same ones, so that what several of its services read is fetched once. Topics begin at another process each, for what is left over.
 */
export function dealt(members: readonly Member[], partitionsOf: (topic: string) => readonly number[]): Hands {
  const hands = new Map(members.map(({ memberId }) => [memberId, {} as Readonly<Record<string, number[]>>]))
  const rankOf = ({ process, memberId }: Member) => `${process} ${memberId}`
  const inOrder = members.toSorted((one, other) => (rankOf(one) < rankOf(other) ? -1 : 1))
  for (const topic of new Set(members.flatMap(({ topics }) => topics))) {
    const takers = inOrder.filter(({ topics }) => topics.includes(topic))
    const shift = shiftOf(topic)
    const dealt = Map.groupBy(partitionsOf(topic), (partition) => takers[(partition + shift) % takers.length]?.memberId ?? '')
    for (const [memberId, partitions] of dealt) hands.set(memberId, { ...hands.get(memberId), [topic]: partitions })
  }
  return hands
}

export const topicsOf = (members: readonly GroupMember[]): readonly string[] => [
  ...new Set(members.flatMap((member) => memberOf(member).topics)),
]

/** For who leads the group. */
export function assignments(members: readonly GroupMember[], partitionsOf: (topic: string) => readonly number[]): GroupMemberAssignment[] {
  const { MemberAssignment } = kafkajs().AssignerProtocol
  return [...dealt(members.map(memberOf), partitionsOf)].map(([memberId, assignment]) => ({
    memberId,
    memberAssignment: MemberAssignment.encode({ version, assignment, userData: Buffer.alloc(0) }),
  }))
}

/** What this member was given. */
export function given(memberAssignment: Buffer): readonly { readonly topic: string; readonly partition: number }[] {
  const assignment = kafkajs().AssignerProtocol.MemberAssignment.decode(memberAssignment)?.assignment ?? {}
  return Object.entries(assignment).flatMap(([topic, partitions]) => partitions.map((partition) => ({ topic, partition })))
}
