import type { Config } from './config.ts'
import { StartError } from './start-error.ts'
import type { Tokens } from './tokens.ts'

export const isLoopback = (host: string): boolean => /^(localhost|127(?:\.\d{1,3}){3}|::1)$/i.test(host)

/** Whoever lets the network in says first who may do what: a token that was made by itself is not that. */
export async function checkListening({ listenHost, tokensFile }: Pick<Config, 'listenHost' | 'tokensFile'>, tokens: Tokens): Promise<void> {
  if (isLoopback(listenHost)) return
  const where = `RONDO_LISTEN_HOST is ${listenHost}, which others can reach`
  if (!tokensFile) throw new StartError(`${where}: set RONDO_TOKENS_FILE to a file of tokens first, or listen on 127.0.0.1`)
  const { known, problem } = await tokens.state()
  if (known === 0) throw new StartError(`${where}, and RONDO_TOKENS_FILE names no token (${problem ?? 'the list is empty'})`)
}
