import type { ErrorCode } from '@rondo/kernel'

/** Exit codes are a contract: scripts branch on them, also under --json. */
export const exits = {
  ok: { code: 0, means: 'done' },
  failed: { code: 1, means: 'failed' },
  usage: { code: 2, means: 'the command was not understood' },
  refused: { code: 3, means: 'refused by policy' },
  unauthenticated: { code: 4, means: 'no token, or one that may not do this' },
  notFound: { code: 5, means: 'there is nothing with this id' },
  pending: { code: 8, means: 'still pending' },
  timedOut: { code: 9, means: 'timed out' },
  interrupted: { code: 130, means: 'interrupted' },
} as const
export type Exit = keyof typeof exits

/** Which exit a refusal of the server is. */
const ofCode: Partial<Record<ErrorCode, Exit>> = {
  unauthenticated: 'unauthenticated',
  forbidden: 'unauthenticated',
  bad_signature: 'unauthenticated',
  not_found: 'notFound',
  four_eyes: 'refused',
  gate_denied: 'refused',
  wrong_phase: 'refused',
  unknown_identity: 'refused',
  timed_out: 'timedOut',
}
export const exitOf = (code: string): Exit => ofCode[code as ErrorCode] ?? 'failed'

/** What ends the command, as a sentence and an exit. */
export class CliError extends Error {
  override readonly name = 'CliError'
  readonly exit: Exit
  readonly details: Readonly<Record<string, unknown>>

  constructor(exit: Exit, message: string, details: Readonly<Record<string, unknown>> = {}) {
    super(message)
    this.exit = exit
    this.details = details
  }
}
