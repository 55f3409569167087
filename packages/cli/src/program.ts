import { Command, CommanderError } from 'commander'
import { addCompletion } from './completion.ts'
import { declareCommands, declareCompletion } from './declarations.ts'
import { CliError } from './exit.ts'
import { environmentText } from './help.ts'
import type { Setting } from './session.ts'
import { report, type Streams } from './terminal.ts'

/** Commander's own words, without its prefix. */
const words = ({ message }: CommanderError): string => message.replace(/^error: /, '').replaceAll('\n', ' ')

/** Before `--` anywhere: it has to be known even where the rest could not be understood. */
const wantsJson = (args: readonly string[]): boolean => (args.includes('--') ? args.slice(0, args.indexOf('--')) : args).includes('--json')

function createProgram(setting: Setting): Command {
  const program = new Command('rondo')
    .description('Closes the loop: production errors become requirements, requirements become releases, and production proves them.')
    .helpCommand(false)
    .showSuggestionAfterError()
    .exitOverride()
    // Errors are said once, by `report`
    .configureOutput({ writeOut: (text) => void setting.streams.out.write(text), writeErr: () => undefined })
    .addHelpText('after', environmentText)
  declareCommands(program, setting)
  return program
}

async function parse(program: Command, args: readonly string[]): Promise<void> {
  if (args[0] === 'complete') await addCompletion(program)
  else declareCompletion(program)
  if (args.length === 0) {
    program.outputHelp()
    throw new CliError('usage', 'no command was given; they are listed above')
  }
  try {
    await program.parseAsync([...args], { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode !== 0) throw new CliError('usage', words(error))
  }
}

/** Runs one command to its end and returns how it ended (`exit.ts`). Ctrl-C ends it at once: every command can be run again. */
export async function runProgram(
  args: readonly string[],
  signal: AbortSignal,
  streams: Streams = { out: process.stdout, err: process.stderr },
): Promise<number> {
  const json = wantsJson(args)
  const interrupted = Promise.withResolvers<never>()
  const interrupt = () => interrupted.reject(new CliError('interrupted', 'interrupted'))
  signal.addEventListener('abort', interrupt, { once: true })
  try {
    await Promise.race([parse(createProgram({ json, signal, streams }), args), interrupted.promise])
    return 0
  } catch (error) {
    return report(error, json, streams)
  } finally {
    signal.removeEventListener('abort', interrupt)
  }
}
