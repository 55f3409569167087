/** Why a process cannot start, as a sentence that says what helps. */
export class StartError extends Error {
  override readonly name = 'StartError'
}

const codeOf = (error: unknown): string => (error instanceof Error && 'code' in error ? String(error.code) : '')
const messageOf = (error: unknown): string => (error instanceof Error ? error.message || error.name : String(error))

export function portError(what: string, variable: string, host: string, port: number, error: unknown): StartError {
  const taken = codeOf(error) === 'EADDRINUSE' || /EADDRINUSE|address already in use/i.test(messageOf(error))
  const text = taken
    ? `port ${port} of ${host} (${what}) is taken: stop what listens there, or set ${variable} to another port`
    : `cannot listen on ${host}:${port} (${what}): ${messageOf(error)}; RONDO_LISTEN_HOST and ${variable} say where`
  return new StartError(text, { cause: error })
}

/** Without user and password. */
export function placeOf(url: string): string {
  if (!URL.canParse(url)) return url
  const { hostname, port, pathname } = new URL(url)
  return `${hostname}:${port || '5432'}${pathname}`
}

export const databaseError = (url: string, variable: string, error: unknown): StartError =>
  new StartError(`the database ${placeOf(url)} (${variable}) cannot be used: ${messageOf(error)}`, { cause: error })

export const busError = (what: string, variable: string, error: unknown): StartError =>
  new StartError(`${what} (${variable}) cannot be used: ${messageOf(error)}`, { cause: error })
