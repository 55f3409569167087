import type { Ledger } from '@rondo/proto/ledger'
import { CliError } from '../exit.ts'
import type { Session } from '../session.ts'

type Page = Ledger['Archive']['response']
type File = Ledger['CheckArchive']['response']['files'][number]

/** Moves the events of closed streams into files, a file at a time, each written and read back before anything is taken out. */
export async function archive(
  { api, terminal, signal }: Session,
  service: string,
  { before, dryRun }: { readonly before: string; readonly dryRun: boolean },
): Promise<void> {
  const files: string[] = []
  let [streams, events, kept, dropped] = [0, 0, 0, 0]
  for (let page_token = ''; ; ) {
    if (signal.aborted) throw new CliError('failed', `stopped after ${files.length} files; the same command goes on`, { files })
    const request: Ledger['Archive']['request'] = { service, before, dry_run: dryRun, page_token }
    const page = await api.rpc<Page>('rondo.ledger.v1.Ledger/Archive', request)
    streams += Number(page.streams)
    events += Number(page.events)
    kept += Number(page.kept)
    dropped += page.dropped_partitions
    if (page.file !== '') {
      files.push(page.file)
      terminal.note(`${page.file}: ${page.events} events of ${page.streams} streams, ${page.bytes} bytes`)
    }
    page_token = page.next_page_token
    if (page_token === '') break
  }
  const done = dryRun ? 'would be archived' : `were archived in ${files.length} files`
  const stay = kept > 0 ? ` ${kept} closed streams stay: something of theirs is newer, waits for its time, or is parked.` : ''
  terminal.data(
    { service, before, dry_run: dryRun, streams, events, kept, files, dropped_partitions: dropped },
    `${events} events of ${streams} closed streams of ${service} ${done}.${stay}`,
  )
}

/** Brings the events of a file back into the ledger, as they were. */
export async function unarchive({ api, terminal }: Session, service: string, file: string): Promise<void> {
  const request: Ledger['Unarchive']['request'] = { service, file }
  const { streams, events } = await api.rpc<Ledger['Unarchive']['response']>('rondo.ledger.v1.Ledger/Unarchive', request)
  terminal.data({ service, file, streams, events }, `${events} events of ${streams} streams are in the ledger of ${service} again.`)
}

/** Reads all files and compares them with what is known of them. */
export async function checkArchive({ api, terminal }: Session, service: string): Promise<void> {
  const files: File[] = []
  for (let after = 0; ; ) {
    const page = await api.rpc<Ledger['CheckArchive']['response']>('rondo.ledger.v1.Ledger/CheckArchive', { service, after })
    files.push(...page.files)
    for (const { name, events, problem } of page.files) terminal.note(`${name}: ${problem || `${events} events, as they were written`}`)
    const last = page.files.at(-1)
    if (!last) break
    after = last.number
  }
  const broken = files.filter(({ problem }) => problem !== '')
  terminal.data({ service, files }, `${files.length} files of ${service} were read, ${broken.length} of them are not as they were written.`)
  if (broken.length > 0)
    throw new CliError('failed', `${broken.length} files of ${service} are not as they were written`, { files: broken })
}
