import { type ParseArgsConfig, parseArgs } from 'node:util'

/** What a program of the repository cannot make sense of: what is wrong, where, and what would be right. */
export function refuse(message: string): never {
  process.stderr.write(`${message}\n--help tells what there is.\n`)
  process.exit(2)
}

type Given<Config extends ParseArgsConfig> = ReturnType<typeof parseArgs<Config>>

/**
 * The command line of a program of the repository, as `parseArgs` reads it. `--help` prints the usage and ends with 0; what is not understood
 * is one sentence, and the program ends with 2 before it has done anything.
 */
export function asked<Config extends ParseArgsConfig>(usage: string, config: Config): Given<Config> {
  if (process.argv.slice(2).some((one) => one === '--help' || one === '-h')) {
    process.stdout.write(usage)
    process.exit(0)
  }
  try {
    return parseArgs(config)
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error))
  }
}

/** The number of an option; `least` and `most` are among what it may be. */
export function numberOf(option: string, text: string, least: number, most = Number.POSITIVE_INFINITY): number {
  const value = text === '' ? Number.NaN : Number(text)
  if (Number.isFinite(value) && value >= least && value <= most) return value
  return refuse(`--${option} ${text}: expected a number from ${least}${most === Number.POSITIVE_INFINITY ? '' : ` to ${most}`}`)
}
