import type { Bus } from '@rondo/bus'
import type { Ledger } from '@rondo/ledger'
import type protobuf from 'protobufjs'
import type { Admission } from './admission.ts'
import type { Channels } from './channels.ts'
import type { Config } from './config.ts'
import type { Logger } from './log.ts'
import type { Readiness } from './readiness.ts'
import type { Tokens } from './tokens.ts'

/** What a process gives to the one service that is its edge: for routes (`Service.http`) and for `call` and `duplex` rows. */
export interface Host {
  readonly config: Config
  readonly log: Logger
  /** The own service's ledger. */
  readonly ledger: Ledger
  /** To put intake on its topic (`send`). */
  readonly bus: Bus
  readonly tokens: Tokens
  /** How much work of callers is under way in this process: what is no unary gRPC call has to enter by itself. */
  readonly admission: Admission
  /** Calls of the services, in this process or in others. */
  readonly channels: Channels
  /** All protos, resolved. */
  readonly protos: protobuf.Root
  readonly readiness: () => Promise<Readiness>
  /** Aborted when the process begins to stop: streams end then. */
  readonly stopping: AbortSignal
}
