import { once } from 'node:events'
import { eventually } from '@rondo/testkit'
import { z } from 'zod'
import type { One } from '../rig/processes.ts'

/** For the process's environment: it can then be asked what it holds. */
export const inspected = { NODE_OPTIONS: '--inspect=127.0.0.1:0' }

const answer = z.object({ id: z.number(), result: z.looseObject({}) })
const evaluated = z.object({ result: z.object({ value: z.string() }) })
const usage = z.object({ heapUsed: z.number(), external: z.number() })

/**
 * What a process holds on to, in bytes, after its garbage was collected. Its resident size would say more of when the collector last ran
 * than of what waits for slow readers.
 */
export async function heldBy({ log }: One): Promise<number> {
  const address = await eventually(() => log.flatMap((line) => /Debugger listening on (ws:\S+)/.exec(line)?.[1] ?? []).at(-1), {
    within: 5000,
  })
  const socket = new WebSocket(address)
  await once(socket, 'open')
  try {
    await asked(socket, 1, 'HeapProfiler.collectGarbage', {})
    const { result } = evaluated.parse(await asked(socket, 2, 'Runtime.evaluate', { expression: 'JSON.stringify(process.memoryUsage())' }))
    const { heapUsed, external } = usage.parse(JSON.parse(result.value))
    return heapUsed + external
  } finally {
    socket.close()
  }
}

async function asked(socket: WebSocket, id: number, method: string, params: object): Promise<object> {
  const { promise, resolve } = Promise.withResolvers<object>()
  const hear = ({ data }: MessageEvent) => {
    const parsed = answer.safeParse(JSON.parse(String(data)))
    if (parsed.data?.id === id) resolve(parsed.data.result)
  }
  socket.addEventListener('message', hear)
  socket.send(JSON.stringify({ id, method, params }))
  const result = await promise
  socket.removeEventListener('message', hear)
  return result
}
