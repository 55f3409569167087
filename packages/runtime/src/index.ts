export { onAbort, unlessAborted } from './abort.ts'
export { Admission } from './admission.ts'
export { type CallOptions, type Channels, createChannels, findMethod, type MessageObject, type StreamOptions } from './channels.ts'
export { type Config, ConfigError, readConfig, serviceNames, variablesTable } from './config.ts'
export { type RunningConsumer, startConsumer } from './consumer.ts'
export { makeSameTables } from './engines.ts'
export { decode, encode, type Method, maxMessageBytes, methodsOf } from './grpc-definition.ts'
export { shareHighWater } from './high-water.ts'
export type { Host } from './host.ts'
export { retryAfterMs } from './later.ts'
export { cursorOf, isBehind, positionOf } from './ledger-rpc.ts'
export { createLog, type Logger } from './log.ts'
export { isLoopback } from './loopback.ts'
export { createMetrics } from './metrics.ts'
export { reactionTable } from './reaction-table.ts'
export type { Component, Readiness } from './readiness.ts'
export { hashOf, parseRequest, pathOf } from './request.ts'
export { type Parts, type Running, run, start } from './run.ts'
export {
  type AskRow,
  type Caller,
  type CallLimit,
  type CallRow,
  type DuplexRow,
  type QueryRow,
  type Received,
  type Role,
  type RpcRow,
  type Rpcs,
  type RpcTable,
  roles,
  rpcs,
  type Service,
  type StreamRow,
  type SubscribeRow,
} from './service.ts'
export { StartError } from './start-error.ts'
export { fromStatus, toStatus } from './status.ts'
export { tracerOf } from './telemetry.ts'
export { addToken, newToken } from './token-file.ts'
export { checkRole, hashToken, openTokens, type TokenEntry, type Tokens } from './tokens.ts'
export { activeTraceparent } from './trace.ts'
