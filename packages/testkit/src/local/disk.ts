import { mkdir, statfs } from 'node:fs/promises'
import { run } from '../command.ts'
import { eventually } from '../eventually.ts'

/** A file system of its own, in memory, that can be full. */
export interface Disk {
  /** Nothing more can be written to it, until there is space again. */
  fill(): Promise<void>
  /** Space again. */
  free(): Promise<void>
}

/** Milliseconds between two looks whether somebody has given space back while it has to be full. */
const watched = 100

/** Mounts one at the folder. Rejects where that is not allowed (it takes root, on Linux). `bytes`: only what is used costs memory. */
export async function mountDisk(folder: string, bytes: number): Promise<Disk> {
  await mkdir(folder, { recursive: true })
  await run('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'rondo-testkit', folder])
  const resize = (size: number) => run('mount', ['-o', `remount,size=${size}`, folder])
  /** Made as small as what is in it: no ballast, and no memory for it. */
  const shrink = async () => {
    const { bavail, blocks, bfree, bsize } = await statfs(folder)
    // A size of 0 would be none at all
    if (bavail > 0) await resize(Math.max(1, blocks - bfree) * bsize)
  }
  let watching: NodeJS.Timeout | undefined
  let working: Promise<unknown> = Promise.resolve()
  return {
    async fill() {
      // Who writes at this very moment makes it too small for what is in it: refused, and tried again
      await eventually(() => shrink().then(() => true), { within: 5000, every: 5 })
      watching = setInterval(() => {
        working = working.then(shrink).catch(() => undefined) // looked at again soon
      }, watched)
    },
    async free() {
      clearInterval(watching)
      await working
      await resize(bytes)
    },
  }
}
