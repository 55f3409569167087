export { type Clock, every, pause, realClock } from './clock.ts'
export { BusError, type BusErrorCode, OffsetOutOfRange, type Range } from './error.ts'
export { Gathered, together } from './gathered.ts'
export { type KafkaBusOptions, kafkaBus } from './kafka/bus.ts'
export { bytesOf } from './outbox.ts'
export { partitionOf } from './partition.ts'
export type {
  Bounds,
  Bus,
  BusRecord,
  ConsumeOptions,
  Consumer,
  Lag,
  Log,
  Pace,
  PartitionControl,
  Paused,
  Place,
  StoredHeaders,
  StoredRecord,
  TopicSpec,
} from './port.ts'
export { type PostgresBusOptions, postgresBus } from './postgres/bus.ts'
export { type MigrateOptions, migrateBus } from './postgres/migration.ts'
export { asRole } from './postgres/role-url.ts'
export { type Standing, stands } from './postgres/standing.ts'
