import { monitorEventLoopDelay } from 'node:perf_hooks'

/** How late the event loop comes to what has arrived. */
export interface Lateness {
  /** Milliseconds, on average since it was asked last. `more`: it will be asked again soon; until then it is looked at all the time. */
  sinceLast(more: boolean): number
}

const everyMs = 10

/** Of this process. It is looked at only while somebody wants to know: that wakes the loop a hundred times a second. */
export function loopLateness(): Lateness {
  const delays = monitorEventLoopDelay({ resolution: everyMs })
  return {
    sinceLast(more) {
      // It is the time from one look to the next, not how late that was
      const late = delays.count > 0 ? Math.max(delays.mean / 1e6 - everyMs, 0) : 0
      if (more) delays.enable()
      else delays.disable()
      delays.reset()
      return late
    },
  }
}
