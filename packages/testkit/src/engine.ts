/** The engines that tests can ask for. */
export const engineNames = ['kafka', 'postgres15', 'postgres18', 'redis'] as const
export type EngineName = (typeof engineNames)[number]

/** An engine that answers. */
export interface Found {
  /** Kafka: `host:port[,host:port]`; PostgreSQL: the URL of an owner who may create databases; Redis: its URL. */
  readonly address: string
  readonly version: string
  /** Where it was found: a variable of the environment, a container, or a process started for this run. */
  readonly from: string
}

/** An engine that could not be had. */
export interface Missing {
  readonly missing: string
  readonly howToGet: string
}

export type Engine = Found | Missing
export type Engines = Readonly<Record<EngineName, Engine>>

export const isMissing = (engine: Engine): engine is Missing => 'missing' in engine

/** One sentence for the reporter. */
export const whyMissing = (name: EngineName, { missing, howToGet }: Missing): string => `${name} is missing: ${missing}; ${howToGet}`

/** An engine of its own, for a test that hurts it. */
export interface Controlled {
  readonly address: string
  readonly version: string
  readonly pid: number
  /** False: it has ended, by whomever. */
  readonly runs: boolean
  /** Asks it to end, and waits. Its data stay. */
  stop(): Promise<void>
  /** SIGKILL, or the signal given, and waits. Its data stay as they were. */
  kill(signal?: NodeJS.Signals): Promise<void>
  /** Starts it again on the same data and the same address, and waits until it answers. */
  start(): Promise<void>
  /** SIGSTOP: connections stay open and nothing answers. */
  freeze(): void
  /** SIGCONT. */
  thaw(): void
}

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message || error.name : String(error))
