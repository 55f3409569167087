/** What looks like chance and is the same for the same seed. */
export interface Random {
  /** From 0 to below 1. */
  next(): number
  /** A whole number from 0 to below `below`. */
  below(below: number): number
  pick<Item>(items: readonly Item[]): Item
  chance(of: number): boolean
  shuffled<Item>(items: readonly Item[]): readonly Item[]
  /** Another one, whose numbers do not depend on how many of this one's are taken. */
  fork(name: string): Random
}

/** Each in its turn, in another order each time round. */
export function dealt<Item>(items: readonly Item[], random: Random): () => Item {
  let left: Item[] = []
  return () => {
    if (left.length === 0) left = [...random.shuffled(items)]
    const item = left.pop()
    if (item === undefined) throw new RangeError('nothing to deal out')
    return item
  }
}

/** A hash of a text to 32 bits (FNV-1a). */
function hashOf(text: string): number {
  let hash = 0x811c9dc5
  for (const char of text) hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 0x01000193)
  return hash >>> 0
}

/** mulberry32 by Tommy Ettinger (public domain): 32 bits of state are enough for a schedule. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (bound: number) => Math.floor(next() * bound)
  return {
    next,
    below,
    pick(items) {
      const item = items[below(items.length)]
      if (item === undefined) throw new RangeError('nothing to pick from')
      return item
    },
    chance: (of) => next() < of,
    shuffled: (items) =>
      items
        .map((item) => ({ item, at: next() }))
        .sort((one, other) => one.at - other.at)
        .map(({ item }) => item),
    fork: (name) => createRandom(hashOf(`${seed} ${name}`)),
  }
}
