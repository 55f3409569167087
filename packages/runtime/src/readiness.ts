/** One part of a process: whether it can work, and if not, why and what helps. */
export interface Component {
  /** `requirements/database`, `bus`, `tokens` … */
  readonly name: string
  readonly ready: boolean
  readonly cause?: string
  readonly fix?: string
}
export interface Readiness {
  readonly ready: boolean
  readonly components: readonly Component[]
}

export interface Check {
  readonly name: string
  /** Undefined: all is well. `blocks: false` where the part can be missing without any work being lost. */
  readonly look: () => Promise<{ readonly cause: string; readonly fix: string; readonly blocks?: boolean } | undefined>
}

const within = 3000

async function look({ name, look }: Check): Promise<Component & { readonly blocks: boolean }> {
  const late = Promise.withResolvers<{ cause: string; fix: string; blocks?: boolean }>()
  const timer = setTimeout(
    () => late.resolve({ cause: `no answer within ${within} ms`, fix: 'look at the log, and whether it is overloaded' }),
    within,
  )
  try {
    const found = await Promise.race([look(), late.promise])
    if (!found) return { name, ready: true, blocks: false }
    const { cause, fix, blocks = true } = found
    return { name, ready: !blocks, cause, fix, blocks }
  } catch (error) {
    return { name, ready: false, cause: error instanceof Error ? error.message : String(error), fix: 'look at the log', blocks: true }
  } finally {
    clearTimeout(timer)
  }
}

/** Ready only when every part can work. */
export async function readiness(checks: readonly Check[]): Promise<Readiness> {
  const found = await Promise.all(checks.map(look))
  return { ready: found.every(({ blocks }) => !blocks), components: found.map(({ blocks: _, ...component }) => component) }
}
