import type { Instant } from '@rondo/kernel'
import type { Manifest } from './file.ts'

/** Behind this stream of a kind. */
export interface ArchivePlace {
  readonly stream: string
  readonly at: Instant
  readonly id: string
}
export interface ArchiveOptions {
  /** Only streams whose newest event was recorded before. */
  readonly before: Instant
  /** Where the page before ended; absent: from the beginning. */
  readonly from: ArchivePlace | undefined
  /** Only counts. */
  readonly dryRun: boolean
  /** Kept with the file. */
  readonly actor: string
  /** Called between the steps. */
  readonly onStep?: (step: ArchiveStep) => void | Promise<void>
}
export type ArchiveStep = 'chosen' | 'drafted' | 'checked' | 'settled' | 'noted' | 'taken' | 'done'

/** At most one file. */
export interface ArchivedPage {
  /** Closed streams that were looked at. */
  readonly looked: number
  /** Of them those that had to stay: something of theirs is new, not sent yet, waits, or is parked. */
  readonly kept: number
  readonly streams: number
  readonly events: number
  /** Absent: there was nothing to archive, or it was a dry run. */
  readonly manifest?: Manifest
  /** Partitions of positions of which nothing was left, and that are gone. */
  readonly dropped: number
  /** Absent: all was looked at. */
  readonly next?: ArchivePlace
}

export interface CheckedFile {
  readonly name: string
  readonly number: number
  readonly events: number
  readonly bytes: number
  /** Why it is not as it was written; absent: it is. */
  readonly problem?: string
}
export interface UnarchiveOptions {
  readonly file: string
  readonly actor: string
  readonly onStep?: (step: UnarchiveStep) => void | Promise<void>
}
export type UnarchiveStep = 'checked' | 'inserted' | 'compared' | 'done'
export interface Unarchived {
  readonly streams: number
  readonly events: number
}

export interface Archiving {
  /** Moves events of closed streams into one file, or fewer than that. Any that ends in between has done nothing, or all of it. */
  archivePage(options: ArchiveOptions): Promise<ArchivedPage>
  /** Brings the events of a file back, as they were. Refuses a file that is not as it was written. */
  unarchive(options: UnarchiveOptions): Promise<Unarchived>
  /** Reads files from their beginning to their end and compares them with what is known of them; some at a time, after this number. */
  checkArchive(after: number): Promise<readonly CheckedFile[]>
}
