import type { Ledger } from '@rondo/proto/ledger'
import { CliError } from '../exit.ts'
import type { Session } from '../session.ts'

export interface RebuildOptions {
  /** Changes nothing. */
  readonly check: boolean
  /** Where an interrupted one stood. */
  readonly resume?: string
}

type Page = Ledger['Rebuild']['response']

/** How far it is, in words. */
const lineOf = ({ part, looked, left }: Page, total: number): string =>
  left ? `${part}: passed over, ${left}` : `${part}: ${total + Number(looked)} made again from the events`

/**
 * Makes a service's states and views again from its events, beside all that goes on, and compares them. What differs is named, and
 * put right; with --check it is only named.
 */
export async function rebuild({ api, terminal, signal }: Session, service: string, { check, resume }: RebuildOptions): Promise<void> {
  const totals = new Map<string, number>()
  const differing: { part: string; id: string; what: string }[] = []
  let repaired = 0
  for (let page_token = resume ?? ''; ; ) {
    if (signal.aborted)
      throw new CliError('failed', `stopped; it goes on with "rondo rebuild ${service} --resume ${page_token}"`, { page_token })
    const request: Ledger['Rebuild']['request'] = { service, check_only: check, page_token }
    const page = await api.rpc<Page>('rondo.ledger.v1.Ledger/Rebuild', request)
    terminal.note(lineOf(page, totals.get(page.part) ?? 0))
    totals.set(page.part, (totals.get(page.part) ?? 0) + Number(page.looked))
    for (const one of page.differing) {
      differing.push({ part: page.part, ...one })
      terminal.note(`  ${page.part} ${one.id} differs: ${one.what}`)
    }
    repaired += Number(page.repaired)
    page_token = page.next_page_token
    if (page_token === '') break
  }
  const looked = [...totals.values()].reduce((sum, count) => sum + count, 0)
  const outcome = differing.length === 0 ? 'all equal to what is stored' : `${differing.length} differed, ${repaired} were put right`
  terminal.data({ service, looked, differing, repaired }, `${looked} states and rows of ${service} were made again: ${outcome}.`)
  if (differing.length > repaired)
    throw new CliError('failed', `${differing.length - repaired} of ${service} differ from what the events say`, { differing })
}
