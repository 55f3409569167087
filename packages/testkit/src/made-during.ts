import { createHook } from 'node:async_hooks'

/** How many resources of a kind (`Timeout`, `TCPCONNECTWRAP`; as in Node's async_hooks) this process makes while the work goes on. */
export async function madeDuring<Result>(
  kind: string,
  work: () => Promise<Result>,
): Promise<{ readonly result: Result; readonly made: number }> {
  let made = 0
  const hook = createHook({
    init(_, type) {
      if (type === kind) made += 1
    },
  }).enable()
  try {
    return { result: await work(), made }
  } finally {
    hook.disable()
  }
}
