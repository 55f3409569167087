import { z } from 'zod'
import { type Variable, variables } from './variables.ts'

/** Every service that can have an address and a database role of its own. */
export const serviceNames = ['requirements', 'builds', 'releases', 'operations', 'feedback', 'gateway'] as const
export type ServiceName = (typeof serviceNames)[number]

type Values = { readonly [Name in keyof typeof variables]: z.output<(typeof variables)[Name]['schema']> }

export interface Config extends Values {
  /** By service: the URL of its own role; absent: derived from `databaseUrl`. */
  readonly serviceDatabaseUrls: Readonly<Record<string, string>>
  /** By service: `host:port` of its gRPC server; absent: this process. */
  readonly serviceAddresses: Readonly<Record<string, string>>
  /** Sentences for the log: unknown RONDO_ variables. */
  readonly warnings: readonly string[]
}

/** A variable of the environment is wrong; the message names each one and what was expected. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

type Env = Readonly<Record<string, string | undefined>>

const perService = [
  { suffix: '_DATABASE_URL', into: 'serviceDatabaseUrls', schema: variables.databaseUrl.schema, type: variables.databaseUrl.type },
  {
    suffix: '_ADDRESS',
    into: 'serviceAddresses',
    schema: z.string().regex(/^[^\s:/]+:\d{1,5}$|^\[[0-9a-fA-F:]+\]:\d{1,5}$/, 'host:port'),
    type: 'host:port',
  },
] as const

/** What a person wrote, without what may be a secret. */
const shown = (variable: { readonly secret?: boolean }, value: string) =>
  variable.secret ? 'something else (not shown)' : JSON.stringify(value.replace(/:\/\/[^@/]*@/, '://…@').slice(0, 200))

function read(env: Env, name: string, variable: Pick<Variable, 'schema' | 'type' | 'secret'>, problems: string[]): unknown {
  // An empty variable is one that is not set: compose files and shells cannot leave one out.
  const text = env[name] === '' ? undefined : env[name]
  const parsed = variable.schema.safeParse(text)
  if (parsed.success) return parsed.data
  const given = text === undefined ? 'is not set' : `is ${shown(variable, text)}`
  problems.push(`${name} ${given}: expected ${variable.type}`)
  return undefined
}

const hint = (name: string, known: readonly string[]) => {
  const near = known.find(
    (other) => other.replaceAll('_', '') === name.replaceAll('_', '') || other.startsWith(name) || name.startsWith(other),
  )
  return `${name} is no variable of Rondo and has no effect${near ? `; is ${near} meant?` : ''}`
}

/** Reads and checks the environment. Throws ConfigError with all that is wrong at once. */
export function readConfig(env: Env): Config {
  const problems: string[] = []
  const values = Object.fromEntries(Object.entries(variables).map(([key, variable]) => [key, read(env, variable.name, variable, problems)]))
  const services = Object.fromEntries(
    perService.map(({ suffix, into, ...variable }) => {
      const set = serviceNames.flatMap((service) => {
        const name = `RONDO_${service.toUpperCase()}${suffix}`
        return env[name] ? [[service, read(env, name, variable, problems)] as const] : []
      })
      return [into, Object.fromEntries(set)]
    }),
  )
  if (problems.length > 0)
    throw new ConfigError(`the environment is not as it should be:\n${problems.map((problem) => `  ${problem}`).join('\n')}`)
  const known = [
    ...Object.values(variables).map(({ name }) => name),
    ...perService.flatMap(({ suffix }) => serviceNames.map((service) => `RONDO_${service.toUpperCase()}${suffix}`)),
  ]
  const warnings = Object.keys(env)
    .filter((name) => name.startsWith('RONDO_') && !known.includes(name))
    .map((name) => hint(name, known))
  return { ...(values as Values), ...(services as Pick<Config, 'serviceDatabaseUrls' | 'serviceAddresses'>), warnings }
}

const cell = (text: string) => text.replaceAll('|', '\\|')

/** The README's table of all variables, as Markdown. */
export function variablesTable(): string {
  const rows: readonly Pick<Variable, 'name' | 'type' | 'fallback' | 'meaning'>[] = [
    ...Object.values(variables),
    {
      name: 'RONDO_<SERVICE>_DATABASE_URL',
      type: variables.databaseUrl.type,
      fallback: 'the role `rondo_<service>` in the database of `RONDO_DATABASE_URL`',
      meaning: `How one service (${serviceNames.join(', ')}) connects: with a role of its own that sees only its own schema.`,
    },
    {
      name: 'RONDO_<SERVICE>_ADDRESS',
      type: 'host:port',
      fallback: 'this process',
      meaning: 'Where the gateway finds the gRPC server of a service that runs as a process of its own.',
    },
  ]
  const lines = rows.map(({ name, type, fallback, meaning }) => `| \`${name}\` | ${cell(type)} | ${cell(fallback)} | ${cell(meaning)} |`)
  return ['| variable | type | default | meaning |', '|---|---|---|---|', ...lines, ''].join('\n')
}
