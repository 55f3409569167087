/** At most `most` of them at a time, in the order in which they were asked for. */
export function limiter(most: number): <Result>(work: () => Promise<Result>) => Promise<Result> {
  let running = 0
  const waiting: (() => void)[] = []
  return async (work) => {
    if (running >= most) await new Promise<void>((resolve) => waiting.push(resolve))
    else running += 1
    try {
      return await work()
    } finally {
      // Whoever waits takes the place over
      const next = waiting.shift()
      if (next) next()
      else running -= 1
    }
  }
}
