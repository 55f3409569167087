import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { Session } from 'node:inspector/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { type Frame, flameChart } from './chart.ts'

const profileShape = z.object({
  nodes: z.array(
    z.object({
      id: z.number(),
      callFrame: z.object({ functionName: z.string(), url: z.string() }),
      children: z.array(z.number()).optional(),
    }),
  ),
  samples: z.array(z.number()),
  /** Microseconds since the sample before. */
  timeDeltas: z.array(z.number()),
})
export type Profile = z.infer<typeof profileShape>

/** Narrower frames than this share of the whole are left out: nobody could read them. */
const leastShare = 0.003
/** What is no work: the process waits. */
const waiting: readonly string[] = ['(idle)', '(program)']

interface Branch {
  readonly name: string
  readonly owner: string
  time: number
  readonly children: Map<string, Branch>
}

const branch = (name: string, owner: string): Branch => ({ name, owner, time: 0, children: new Map() })

/** Whose code a file is: a library, a package or service of the project, or Node. */
export function ownerOf(url: string): string {
  const [, library] = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url) ?? []
  if (library) return library
  const [, part] = /\/((?:packages|services|test)\/[^/]+)\//.exec(url) ?? []
  return part ?? 'node'
}

/** Adds the time of each stack of the profile to the tree; the root keeps the sum. */
function grown(root: Branch, { nodes, samples, timeDeltas }: Profile): void {
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const callers = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)))
  const times = new Map<number, number>()
  for (const [index, id] of samples.entries()) times.set(id, (times.get(id) ?? 0) + Math.max(0, timeDeltas[index] ?? 0))
  for (const [id, time] of times) {
    const stack: Profile['nodes'] = []
    for (let at: number | undefined = id; at !== undefined; at = callers.get(at)) {
      const node = byId.get(at)
      if (node) stack.unshift(node)
    }
    if (stack.some(({ callFrame }) => waiting.includes(callFrame.functionName))) continue
    root.time += time
    let current = root
    for (const { callFrame } of stack.slice(1)) {
      const name = callFrame.functionName || '(anonymous)'
      const key = `${name} ${callFrame.url}`
      const next = current.children.get(key) ?? branch(name, ownerOf(callFrame.url))
      current.children.set(key, next)
      next.time += time
      current = next
    }
  }
}

/** Frames side by side in the order of their time, each above its caller. */
export function framesOf(profiles: readonly Profile[]): readonly Frame[] {
  const root = branch('', '')
  for (const profile of profiles) grown(root, profile)
  const frames: Frame[] = []
  const laid = ({ children }: Branch, depth: number, begin: number): void => {
    let from = begin
    for (const child of [...children.values()].sort((one, other) => other.time - one.time)) {
      const to = from + child.time / root.time
      if (to - from < leastShare) break
      frames.push({ name: child.name, owner: child.owner, depth, from, to })
      laid(child, depth + 1, from)
      from = to
    }
  }
  laid(root, 0, 0)
  return frames
}

/** Profiles of this process and of all that it starts, row by row. */
export interface Profiling {
  /** Does the work; resolves with the drawing of where processors were while it went on. */
  around(title: string, work: () => Promise<void>): Promise<string>
}

export function openProfiling(folder: string): Profiling {
  const profiles = join(folder, 'profiles')
  mkdirSync(profiles, { recursive: true })
  // Processes that rows start write theirs when they end
  process.env.NODE_OPTIONS = `--cpu-prof --cpu-prof-dir=${profiles}`
  return {
    async around(title, work) {
      const session = new Session()
      session.connect()
      await session.post('Profiler.enable')
      await session.post('Profiler.start')
      await work()
      const { profile } = await session.post('Profiler.stop')
      session.disconnect()
      const files = readdirSync(profiles).map((name) => join(profiles, name))
      const all = files.map((file) => profileShape.parse(JSON.parse(readFileSync(file, 'utf8'))))
      for (const file of files) rmSync(file)
      // Where processes of Rondo did the work, what is measured in them is what counts, not their callers here
      return flameChart(title, framesOf(all.length > 0 ? all : [profileShape.parse(profile)]))
    },
  }
}
