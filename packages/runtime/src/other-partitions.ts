import type { Ledger } from '@rondo/ledger'

/** A larger partition plan begins here: what lies in other partitions before it has to be read first. */
export class OtherPartitionsFirst extends Error {
  override readonly name = 'OtherPartitionsFirst'

  constructor(topic: string, partition: number, unread: readonly number[]) {
    super(
      `${topic}/${partition} waits until ${unread.join(', ')} are read up to where the number of partitions was raised; it goes on by itself`,
    )
  }
}

/** Which of the other partitions were not read up to there yet (`after`, by partition; 0: nothing lies in it), in any epoch so far. */
export async function unreadOf(
  ledger: Pick<Ledger, 'checkpoint'>,
  { topic, partition: own, epoch }: { readonly topic: string; readonly partition: number; readonly epoch: number },
  after: readonly number[],
): Promise<readonly number[]> {
  const sources = Array.from({ length: epoch }, (_, index) => `${topic}#${index + 1}`)
  const unread: number[] = []
  for (const [partition, upTo] of after.entries()) {
    if (upTo === 0 || partition === own) continue
    const read = await Promise.all(sources.map((source) => ledger.checkpoint(source, partition)))
    if (!read.some((checkpoint) => checkpoint !== undefined && checkpoint.position >= upTo)) unread.push(partition)
  }
  return unread
}
