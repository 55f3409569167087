import { readFile, rename, writeFile } from 'node:fs/promises'

/** How far a ledger was sent, known outside of the folder that holds ledger and embedded bus: both go back together when a backup of it is restored. */
export interface HighWater {
  readonly epoch: number
  readonly position: number
}

/** Undefined: nothing was sent so far. Rejects where the file is not one of these. */
export async function readHighWater(path: string): Promise<HighWater | undefined> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
  const mark: unknown = JSON.parse(text)
  if (
    typeof mark !== 'object' ||
    mark === null ||
    !('epoch' in mark) ||
    !('position' in mark) ||
    !Number.isInteger(mark.epoch) ||
    !Number.isInteger(mark.position)
  ) {
    throw new Error(`${path} must hold {"epoch": …, "position": …}`)
  }
  return { epoch: Number(mark.epoch), position: Number(mark.position) }
}

/** Whole or not at all. */
export async function writeHighWater(path: string, mark: HighWater): Promise<void> {
  const draft = `${path}.${process.pid}`
  await writeFile(draft, JSON.stringify(mark), { mode: 0o600 })
  await rename(draft, path)
}
