/** An epoch begins behind a position: after a restore of an older backup other events follow it than those that others may have seen. */
export interface EpochStart {
  readonly epoch: number
  /** The last position before it. */
  readonly after: number
}

/** Under which the event at a position was recorded. It keeps it, whenever it is sent: what two epochs share must not look like news. */
export const epochOf = (raised: readonly EpochStart[], position: number): number =>
  raised.findLast(({ after }) => after < position)?.epoch ?? 1
