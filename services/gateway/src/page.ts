import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { RequirementSummary } from '@rondo/proto/requirements'
import type { Host, Readiness } from '@rondo/runtime'
import type { FastifyInstance } from 'fastify'
import type { Redis } from 'ioredis'
import { cached } from './cache.ts'
import { call } from './calls.ts'

/** A page that everybody reloads asks the services once in this time. */
const turnsKeptMs = 1000

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
const html = (text: string): string => text.replace(/[&<>"']/g, (char) => entities[char] ?? char)

const style = `body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c1c1c;background:#fff}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .8rem .3rem 0;border-bottom:1px solid #ccc;vertical-align:top}
code,pre{background:#f2f2f2;padding:.1rem .3rem}pre{overflow-x:auto;padding:.6rem}.bad{color:#a40000}
@media(prefers-color-scheme:dark){body{color:#eee;background:#161616}code,pre{background:#2a2a2a}.bad{color:#ff8a80}}`

const component = ({ name, ready, cause, fix }: Readiness['components'][number]) =>
  `<tr><td>${html(name)}</td><td>${ready && !cause ? 'works' : `<span class="bad">${html(cause ?? 'does not work')}</span> ${html(fix ?? '')}`}</td></tr>`

const turn = ({ requirement_id, title, service, phase, waits_for }: RequirementSummary) =>
  `<tr id="${html(requirement_id)}"><td><code>${html(requirement_id)}</code></td><td>${html(title)}</td><td>${html(service)}</td><td>${html(phase)}</td><td>${html([waits_for?.whom, waits_for?.what].filter(Boolean).join(': '))}</td></tr>`

function turnsTable(turns: readonly RequirementSummary[]): string {
  if (turns.length === 0) return '<p>None yet. <code>npx --no-install rondo demo</code> plays one whole turn.</p>'
  return `<table><thead><tr><th>turn</th><th>what</th><th>service</th><th>phase</th><th>waits for</th></tr></thead><tbody>${turns.map(turn).join('')}</tbody></table>`
}

/** Whoever opens the address in a browser: what runs, the latest turns, what to try next. */
export function page({ components }: Readiness, turns: string, url: string): string {
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Rondo</title><style>${style}</style></head><body>
<h1>Rondo</h1><p>The DevOps loop as a running system: what production says becomes a requirement, and the requirement is proven on the same signal.</p>
<h2>Latest turns of the loop</h2>${turns}
<h2>What runs</h2><table><tbody>${components.map(component).join('')}</tbody></table>
<h2>What to try next</h2><pre>npx --no-install rondo demo            # one whole turn, narrated
npx --no-install rondo loop REQ-…      # a turn as a timeline
npx --no-install rondo tail            # all events, live
curl -H "Authorization: Bearer $(cat .rondo/token)" -d '{}' -H 'Content-Type: application/json' \\
  ${html(url)}/rondo.requirements.v1.Requirements/ListRequirements</pre>
</body></html>`
}

/** The page is for whoever sits at this machine; it reads with the token that lies here too. */
async function ownToken({ config }: Host): Promise<string | undefined> {
  if (config.token) return config.token
  try {
    return (await readFile(join(config.dataDir, 'token'), 'utf8')).trim()
  } catch {
    // No token here: the page says how to give it one
    return undefined
  }
}

async function listedTurns(host: Host, token: string): Promise<string> {
  const request = { service: '', phase: '', order: 'occurred_at desc', page_size: 20, page_token: '' }
  const { requirements } = await call(host, 'requirements', 'rondo.requirements.v1.Requirements/ListRequirements', request, {
    authorization: `Bearer ${token}`,
    timeoutMs: 5000,
  })
  return turnsTable(requirements)
}

async function latestTurns(host: Host, redis: Redis | undefined): Promise<string> {
  const token = await ownToken(host)
  if (!token) return '<p>To see them here, start the gateway with <code>RONDO_TOKEN</code> set to a token of an auditor.</p>'
  try {
    return await cached(redis, 'rondo:page:turns', turnsKeptMs, () => listedTurns(host, token))
  } catch (error) {
    host.log.warn({ err: error }, 'the page could not list the turns')
    return `<p>They cannot be listed now: ${html(error instanceof Error ? error.message : String(error))}</p>`
  }
}

/** `GET /`. Turns are shown on the loopback only: elsewhere a page without sign-in would show them to anybody. */
export function pageRoutes(app: FastifyInstance, host: Host, { loopback, redis }: { loopback: boolean; redis: Redis | undefined }): void {
  app.get('/', async ({ protocol, headers }, reply) => {
    const url = host.config.publicUrl ?? `${protocol}://${headers.host}`
    const turns = loopback ? await latestTurns(host, redis) : '<p>Use <code>rondo loop</code> or the API with a token.</p>'
    return reply
      .headers({ 'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'", 'cache-control': 'no-store' })
      .type('text/html; charset=utf-8')
      .send(page(await host.readiness(), turns, url))
  })
}
