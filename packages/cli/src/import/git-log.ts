/** A commit as `git log` writes it. */
export interface GitCommit {
  readonly sha: string
  readonly parents: readonly string[]
  readonly author: Person
  readonly committer: Person
  /** RFC 3339. */
  readonly committedAt: string
  readonly message: string
}
export interface Person {
  readonly name: string
  readonly email: string
}

/** With `-z` each field and each record ends with NUL, the one character that git allows in none of them. */
export const logFormat = '%H%x00%P%x00%an%x00%ae%x00%cn%x00%ce%x00%ct%x00%B'
const fieldsEach = 8

function commitOf(fields: readonly string[]): GitCommit {
  const [sha = '', parents = '', an = '', ae = '', cn = '', ce = '', ct = '', message = ''] = fields
  return {
    sha,
    parents: parents.split(' ').filter(Boolean),
    author: { name: an, email: ae },
    committer: { name: cn, email: ce },
    committedAt: new Date(Number(ct) * 1000).toISOString(),
    message: message.replace(/\n+$/, ''),
  }
}

/** The commits of `git log -z --format=<logFormat>`, as they come. Bytes that are no UTF-8 become U+FFFD. */
export async function* parseLog(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<GitCommit> {
  const decoder = new TextDecoder('utf-8')
  let rest = ''
  let fields: string[] = []
  for await (const chunk of chunks) {
    const pieces = (rest + decoder.decode(chunk, { stream: true })).split('\0')
    rest = pieces.pop() ?? ''
    for (const piece of pieces) {
      fields.push(piece)
      if (fields.length < fieldsEach) continue
      yield commitOf(fields)
      fields = []
    }
  }
  if (rest || fields.length > 0) throw new Error('git log was cut off in the middle of a commit')
}

/** `<patch id> <sha>` lines of `git patch-id`, by commit. */
export function parsePatchIds(text: string): ReadonlyMap<string, string> {
  const pairs = text.split('\n').flatMap((line) => {
    const [id, sha] = line.split(' ')
    return id && sha ? [[sha, id] as const] : []
  })
  return new Map(pairs)
}

/** The parents that stand in a raw commit object: where a shallow clone ends, `git log` does not show them. */
export const parentsOfRaw = (raw: string): readonly string[] =>
  [...(raw.split('\n\n')[0] ?? '').matchAll(/^parent ([0-9a-f]{40,64})$/gm)].map(([, sha = '']) => sha)

/** Host and full name out of a remote's address (https, ssh, scp-like); undefined for a path on this machine. */
export function parseRemote(url: string): { readonly host: string; readonly fullName: string } | undefined {
  const [, scpHost, scpPath] = /^(?:[^@/:]+@)?([^/:]{2,}):(?!\/\/)(.+)$/.exec(url) ?? []
  const parsed = scpHost || !URL.canParse(url) ? undefined : new URL(url)
  const host = scpHost ?? parsed?.host
  const fullName = (scpPath ?? parsed?.pathname ?? '').replace(/^\/+|\/+$/g, '').replace(/\.git$/, '')
  return host && fullName && parsed?.protocol !== 'file:' ? { host, fullName } : undefined
}
