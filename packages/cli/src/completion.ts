import type { Command } from 'commander'

export const shells = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof shells)[number]

/** The script that a shell sources; it asks `rondo complete -- <words>` for what may stand next. */
export async function completionScript(shell: Shell, name: string): Promise<string> {
  const { script } = await import('@bomb.sh/tab')
  return script(shell, name, name)
}
