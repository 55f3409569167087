import type { Command } from 'commander'

export const shells = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof shells)[number]

/** What a shell sources: it asks `rondo complete -- <words>` for what may stand next. */
export async function printCompletionScript(shell: Shell, name: string): Promise<void> {
  const { script } = await import('@bomb.sh/tab')
  script(shell, name, name)
}

/** Adds `complete` (and the library's own `completion`), which answer from the commands as they are declared. */
export async function addCompletion(program: Command): Promise<void> {
  const { default: tab } = await import('@bomb.sh/tab/commander')
  tab(program, { completionCommandName: 'completion' })
}
