import { Argument, type Command, Option } from 'commander'
import { type Shell, shells } from './completion.ts'
import { CliError, exits } from './exit.ts'
import { exitCodesText } from './help.ts'
import { openSession, type Session, type Setting } from './session.ts'
import { sinceOf, timeoutOf } from './span.ts'

const several = (value: string, before: readonly string[] = []) => [...before, value]
const listed = (value: string, before: readonly string[] = []) => [
  ...before,
  ...value
    .split(',')
    .map((one) => one.trim())
    .filter(Boolean),
]

/** Each command loads what it needs when it runs: the help has to be there at once. */
interface Declared {
  command(usage: string, description: string, parent?: Command): Command
  group(name: string, description: string): Command
  session(): Session
}

const declaring = (program: Command, setting: Setting): Declared => ({
  command: (usage, description, parent = program) =>
    parent.command(usage).description(description).option('--json', 'data as JSON on stdout, errors as JSON on stderr'),
  group: (name, description) => program.command(name).description(description).helpCommand(false),
  session: () => openSession(setting),
})

function loopCommands(declared: Declared): void {
  declared.command('demo', 'plays one whole turn of the loop through the public edge, narrated').action(async () => {
    const { demo } = await import('./demo/demo.ts')
    await demo(declared.session())
  })
  declared
    .command('loop', 'the turn of a requirement as a timeline: who, what, when, on which evidence')
    .argument('<requirement>', 'such as REQ-1A2B3C4D')
    .option('--all', 'the bookkeeping between the services too')
    .action(async (requirement: string, { all }: { all?: boolean }) => {
      const { api, terminal } = declared.session()
      const { loop } = await import('./commands/loop.ts')
      await loop(api, terminal, requirement, all)
    })
  declared
    .command('tail', 'follows all events as they are recorded')
    .option('--service <name>', 'only this service’s')
    .option('--since <time>', 'begins there: a span back (90s, 15m, 2h, 7d) or an RFC 3339 time')
    .option('--cursor <file>', 'keeps where it was left, and goes on there')
    .action(async (options: { service?: string; since?: string; cursor?: string }) => {
      const { api, terminal, signal } = declared.session()
      const { tail } = await import('./commands/tail.ts')
      await tail(api, terminal, options, signal)
    })
  declared.command('status', 'what runs, how far each ledger is, what stands still and what helps').action(async () => {
    const { status } = await import('./commands/status.ts')
    await status(declared.session())
  })
}

const waitText = `
Ends with 0 when it is there; 3 when policy refuses it; 1 when it is over and not well (a failed deployment, a regressed proof);
8 with --timeout 0 when it is still pending; 9 when the time is up. What is not met is named, all of it.
`

function waitCommand(declared: Declared): void {
  declared
    .command('wait', 'waits for a gate to allow, a release to run, a proof to verify')
    .addArgument(new Argument('<what>', 'what to wait for').choices(['gate', 'deploy', 'proof']))
    .argument('<id>', 'gate: the artifact’s digest; deploy: a release or deployment; proof: a proof or requirement')
    .addOption(
      new Option('--timeout <span>', 'how long, such as 90s, 15m, 2h; 0 looks once').default(timeoutOf('10m'), '10m').argParser(timeoutOf),
    )
    .option('--fail-fast', 'ends at once when it is refused, instead of waiting for a waiver or a further report')
    .option('--environment <name>', 'deploy: where', 'production')
    .addHelpText('after', waitText)
    .action(async (what: string, id: string, options: { timeout: number; failFast?: boolean; environment: string }) => {
      const { wait } = await import('./commands/wait.ts')
      await wait(declared.session(), what, id, { failFast: false, ...options })
    })
}

function sendingCommands(declared: Declared): void {
  declared
    .command('emit', 'sends what a monitoring system or a CI job would send')
    .addOption(
      new Option('--example <name>', 'what to send').choices(['alert', 'errors', 'build', 'artifact', 'deployment']).makeOptionMandatory(),
    )
    .option('--set <path=value>', 'changes one value of it, such as errors.events=9; may be given several times', several)
    .option('--print', 'shows it and sends nothing')
    .action(async (options: { example: string; set?: readonly string[]; print?: boolean }) => {
      const { emit } = await import('./commands/emit.ts')
      await emit(declared.session(), options)
    })
  declared
    .command('call', 'calls any unary RPC')
    .argument('<method>', 'such as Requirements/GetRequirement')
    .argument('[json]', 'the request; - reads it from stdin', '{}')
    .option('--message-id <id>', 'the same id again does nothing again: for retries')
    .action(async (method: string, request: string, options: { messageId?: string }) => {
      const { call } = await import('./commands/call.ts')
      await call(declared.session(), method, request, options)
    })
  declared
    .command(
      'git',
      'reads a local repository’s history into changes; again, it changes nothing',
      declared.group('import', 'reads what exists already'),
    )
    .argument('<path>', 'of the repository')
    .option('--repository <full name>', 'its name at the code host, such as example/shop (default: that of the remote "origin")')
    .option('--host <host>', 'the code host (default: that of the remote "origin")')
    .option('--patch-id', 'computes patch ids too, by which cherry-picks are found (slow)')
    .option('--no-wait', 'ends when all is stored, without waiting until it is read')
    .action(async (path: string, options: { repository?: string; host?: string; patchId?: boolean; wait: boolean }) => {
      const { importGit } = await import('./import/git.ts')
      await importGit(declared.session(), path, options)
    })
}

/** As text: it may lie beyond what a number holds. */
const positionOf = (text: string): string => {
  if (/^[1-9]\d{0,15}$/.test(text)) return text
  throw new CliError('usage', `--from: "${text}" is no position: a number from 1`)
}

const partitionOf = (text: string): number => {
  if (/^\d{1,4}$/.test(text)) return Number(text)
  throw new CliError('usage', `--partition: "${text}" is no partition: a number from 0`)
}

/** Keeps a ledger small. */
function archiveCommand(declared: Declared): void {
  declared
    .command('archive', 'moves events of closed streams into compressed, checked files, and back')
    .argument('<service>', 'such as builds')
    .option('--before <time>', 'only streams that have rested since: a span back (90d) or an RFC 3339 time', '365d')
    .option('--dry-run', 'counts and changes nothing', false)
    .addOption(new Option('--restore <file>', 'brings the events of a file back').conflicts(['dryRun', 'verify']))
    .addOption(new Option('--verify', 'reads all files and compares them with what is known of them').conflicts('dryRun'))
    .action(async (service: string, options: { before: string; dryRun: boolean; restore?: string; verify?: boolean }) => {
      const { archive, checkArchive, unarchive } = await import('./commands/archive.ts')
      if (options.restore) await unarchive(declared.session(), service, options.restore)
      else if (options.verify) await checkArchive(declared.session(), service)
      else await archive(declared.session(), service, { ...options, before: sinceOf(options.before, Date.now(), '--before') })
    })
}

/** What `rondo status` names where a key is parked. */
function parkedKeys(declared: Declared): void {
  const group = declared.group('parked', 'records that could not be applied, and what waits behind them')
  declared
    .command('list', 'the keys that wait for a person, and why', group)
    .argument('[service]', 'only of this one, such as releases')
    .action(async (service: string | undefined) => {
      const { listParked } = await import('./commands/parked.ts')
      await listParked(declared.session(), service)
    })
  declared
    .command('show', 'what waits behind a key, and what was decided of its records so far', group)
    .argument('<service>', 'who could not apply them, such as releases')
    .argument('<key>', 'the key, as "rondo parked list" shows it')
    .action(async (service: string, key: string) => {
      const { showParked } = await import('./commands/parked.ts')
      await showParked(declared.session(), service, key)
    })
  declared
    .command('retry', 'tries them again, after what kept them was mended', group)
    .argument('<service>', 'who could not apply them, such as releases')
    .argument('<key>', 'the key, as "rondo status" shows it')
    .requiredOption('--why <text>', 'kept with the decision')
    .action(async (service: string, key: string, options: { why: string }) => {
      const { retryParked } = await import('./commands/parked.ts')
      await retryParked(declared.session(), service, key, options)
    })
  declared
    .command('skip', 'leaves the oldest one out, for good', group)
    .argument('<service>', 'who could not apply it, such as releases')
    .argument('<key>', 'the key, as "rondo status" shows it')
    .requiredOption('--why <text>', 'why it may be left out; kept with the decision')
    .action(async (service: string, key: string, options: { why: string }) => {
      const { skipParked } = await import('./commands/parked.ts')
      await skipParked(declared.session(), service, key, options)
    })
}

/** Proves that what is stored follows from the events. */
function rebuildCommand(declared: Declared): void {
  declared
    .command('rebuild', 'makes a service’s states and views again from its events, compares, and puts right what differs')
    .argument('<service>', 'such as builds')
    .option('--check', 'changes nothing; ends with 1 where something differs', false)
    .option('--resume <token>', 'goes on where an interrupted one stood')
    .action(async (service: string, options: { check: boolean; resume?: string }) => {
      const { rebuild } = await import('./commands/rebuild.ts')
      await rebuild(declared.session(), service, options)
    })
}

/** What `rondo status` names where a partition stands still. */
function repairs(declared: Declared): void {
  declared
    .command('replay', 'sends recorded events to the bus once more, for whoever misses some')
    .argument('<service>', 'whose events, such as operations')
    .requiredOption('--from <position>', 'the first position to be sent, from 1', positionOf)
    .option('--partition <number>', 'only this partition (default: all)', partitionOf)
    .action(async (service: string, options: { from: string; partition?: number }) => {
      const { replay } = await import('./commands/gap.ts')
      await replay(declared.session(), service, options)
    })
  declared
    .command('restore', 'goes on with a ledger that was restored from an older backup')
    .argument('<service>', 'whose ledger, such as operations')
    .option('--anyway', 'also where nothing shows that it is an older copy: the topics, or the high-water file, went back with it')
    .action(async (service: string, options: { anyway?: boolean }) => {
      const { restore } = await import('./commands/gap.ts')
      await restore(declared.session(), service, options)
    })
  declared
    .command(
      'accept',
      'goes on behind intake that was deleted before it was read; what was lost stays lost',
      declared.group('gap', 'records that are lost'),
    )
    .argument('<service>', 'who reads it, such as operations')
    .requiredOption('--partition <number>', 'the partition, from 0', partitionOf)
    .requiredOption('--why <text>', 'why nothing better can be done; kept with the decision')
    .option('--topic <name>', 'the topic', 'rondo.intake.v1')
    .action(async (service: string, options: { topic: string; partition: number; why: string }) => {
      const { acceptGap } = await import('./commands/gap.ts')
      await acceptGap(declared.session(), service, options)
    })
}

function administration(declared: Declared): void {
  declared
    .command('create', 'makes a token; it is shown once', declared.group('token', 'who may call'))
    .argument('<actor>', 'a person such as ada@example.org, or service:<name>')
    .requiredOption(
      '--role <roles>',
      'one or more, by comma: reporter, developer, approver, operator, product_owner, auditor, admin',
      listed,
    )
    .action(async (actor: string, { role }: { role: readonly string[] }) => {
      const { createToken } = await import('./commands/token.ts')
      await createToken(declared.session().terminal, actor, role)
    })
  declared
    .command('put', 'says under which identities a person is known', declared.group('person', 'who is who'))
    .argument('<person>', 'a stable id such as ada@example.org')
    .option('--name <name>', 'for people to read')
    .option('--email <address>', 'an address; may be given several times', several)
    .option('--github <login>', 'the login at GitHub')
    .option('--github-id <number>', 'the number at GitHub, which outlives a rename')
    .action(async (person: string, options: { name?: string; email?: readonly string[]; github?: string; githubId?: string }) => {
      const { putPerson } = await import('./commands/person.ts')
      await putPerson(declared.session(), person, options)
    })
}

/** Not while completing: then the library adds its own, which is the same to whoever types. */
export function declareCompletion(program: Command): void {
  program
    .command('completion')
    .description('a script that completes commands in a shell: source <(rondo completion bash)')
    .addArgument(new Argument('<shell>').choices([...shells]))
    .action(async (shell: Shell) => {
      const { printCompletionScript } = await import('./completion.ts')
      await printCompletionScript(shell, program.name())
    })
}

function helpCommand(program: Command, declared: Declared): void {
  declared
    .command('help', 'help on a command, or on "exit-codes"')
    .argument('[words...]', 'the command, or exit-codes')
    .action((words: readonly string[]) => {
      if (words[0] === 'exit-codes') return declared.session().terminal.data({ exit_codes: Object.values(exits) }, exitCodesText())
      const found = words.reduce<Command | undefined>((at, word) => at?.commands.find((one) => one.name() === word), program)
      if (!found) throw new CliError('usage', `there is no command "${words.join(' ')}"`)
      found.outputHelp()
    })
}

/** All commands but `completion`, in the order in which the help lists them. */
export function declareCommands(program: Command, setting: Setting): void {
  const declared = declaring(program, setting)
  loopCommands(declared)
  waitCommand(declared)
  sendingCommands(declared)
  repairs(declared)
  parkedKeys(declared)
  rebuildCommand(declared)
  archiveCommand(declared)
  administration(declared)
  helpCommand(program, declared)
}
