import { exits } from './exit.ts'

/** `rondo help exit-codes` */
export function exitCodesText(): string {
  const rows = Object.values(exits).map(({ code, means }) => `  ${String(code).padStart(3)}  ${means}`)
  return [
    'How a command ends; the same under --json:',
    '',
    ...rows,
    '',
    'Errors are on stderr; under --json as {"error", "exit", "code", …}.',
    '',
  ].join('\n')
}

export const environmentText = `
Environment:
  RONDO_URL        where Rondo's HTTP is (default http://127.0.0.1:8686)
  RONDO_TOKEN      the token (default: the one in .rondo/token, here or in a folder above)
  RONDO_DATA_DIR   where .rondo is, if elsewhere
  NO_COLOR         no colours

"rondo help exit-codes" lists how commands end.
`
