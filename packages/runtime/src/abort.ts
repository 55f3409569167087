/**
 * Calls once it is aborted, at once where it is already. The returned function takes that back: a signal keeps its listeners, so one that outlives
 * the wait would gather them.
 */
export function onAbort(signal: AbortSignal, run: () => void): () => void {
  if (signal.aborted) run()
  else signal.addEventListener('abort', run, { once: true })
  return () => signal.removeEventListener('abort', run)
}

/** Resolves when it is aborted, or `begin` has called what it was given, whichever comes first; `begin` returns what takes that back. */
export async function unlessAborted(signal: AbortSignal, begin: (done: () => void) => () => void): Promise<void> {
  if (signal.aborted) return
  const { promise, resolve } = Promise.withResolvers<void>()
  const done = () => resolve()
  const forget = onAbort(signal, done)
  const cancel = begin(done)
  await promise
  cancel()
  forget()
}
