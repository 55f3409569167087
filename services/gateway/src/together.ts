/**
 * Answers each item, in their order: what has come in one turn of the event loop goes together into one piece of work, and pieces are on
 * their way at the same time. No more than `most` items are read before the first of them is answered and its answer was taken.
 */
export async function* together<Item, Answer>(
  items: AsyncIterable<Item>,
  work: (items: readonly Item[]) => Promise<readonly Answer[]>,
  most: number,
): AsyncGenerator<Answer> {
  const pieces: Promise<readonly Answer[]>[] = []
  const waiting: Item[] = []
  let open = 0
  let ended = false
  let changed = Promise.withResolvers<void>()
  const tell = () => {
    changed.resolve()
    changed = Promise.withResolvers()
  }
  const begin = () => {
    const piece = work(waiting.splice(0))
    // Whoever takes the answers is told, in its turn
    piece.catch(() => undefined)
    pieces.push(piece)
    tell()
  }
  const read = async () => {
    for await (const item of items) {
      if (waiting.push(item) === 1) setImmediate(begin)
      for (open += 1; open >= most; ) await changed.promise
    }
  }
  const reading = read().finally(() => {
    ended = true
    tell()
  })
  reading.catch(() => undefined)
  while (!ended || waiting.length > 0 || pieces.length > 0) {
    const piece = pieces.shift()
    if (!piece) await changed.promise
    for (const answer of (await piece) ?? []) {
      yield answer
      open -= 1
      if (open === most - 1) tell()
    }
  }
  await reading
}
