import { z } from 'zod'

/** A span as Jaeger gives it, in what these tests ask for. */
export interface Span {
  readonly traceId: string
  readonly spanId: string
  /** The process or service that made it: `rondo-builds`. */
  readonly service: string
  readonly name: string
  /** `producer`, `consumer`, `server`, `client`; absent: internal. */
  readonly kind: string | undefined
  /** Which instrumentation made it: `rondo`, `pg`, `http`, … */
  readonly scope: string
  readonly durationMs: number
  readonly tags: Readonly<Record<string, string | number | boolean>>
  readonly parent: Ref | undefined
  readonly links: readonly Ref[]
}
export interface Ref {
  readonly traceId: string
  readonly spanId: string
}

const ref = z.object({ refType: z.enum(['CHILD_OF', 'FOLLOWS_FROM']), traceID: z.string(), spanID: z.string() })
const tag = z.object({ key: z.string(), value: z.union([z.string(), z.number(), z.boolean()]) })
const traces = z.object({
  data: z.array(
    z.object({
      processes: z.record(z.string(), z.object({ serviceName: z.string() })),
      spans: z.array(
        z.object({
          traceID: z.string(),
          spanID: z.string(),
          operationName: z.string(),
          processID: z.string(),
          /** Microseconds. */
          duration: z.number(),
          references: z.array(ref),
          tags: z.array(tag),
        }),
      ),
    }),
  ),
})
type Trace = z.infer<typeof traces>['data'][number]

const refOf = ({ traceID, spanID }: z.infer<typeof ref>): Ref => ({ traceId: traceID, spanId: spanID })

function spansOf({ processes, spans }: Trace): readonly Span[] {
  return spans.map(({ traceID, spanID, operationName, processID, duration, references, tags }) => {
    const named = Object.fromEntries(tags.map(({ key, value }) => [key, value]))
    const parent = references.find(({ refType, traceID: trace }) => refType === 'CHILD_OF' && trace === traceID)
    return {
      traceId: traceID,
      spanId: spanID,
      service: processes[processID]?.serviceName ?? '',
      name: operationName,
      kind: named['span.kind'] === 'internal' ? undefined : named['span.kind']?.toString(),
      scope: String(named['otel.scope.name'] ?? '').replace('@opentelemetry/instrumentation-', ''),
      durationMs: duration / 1000,
      tags: named,
      parent: parent && refOf(parent),
      links: references.filter((one) => one !== parent).map(refOf),
    }
  })
}

async function asked(query: string, path: string, parameters: Readonly<Record<string, string>> = {}): Promise<unknown> {
  const url = new URL(path, query)
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value)
  const response = await fetch(url)
  if (!response.ok) throw new Error(`${url} answers ${response.status}: ${await response.text()}`)
  return response.json()
}

/** Services that have sent a span. */
export const reported = async (query: string): Promise<readonly string[]> =>
  z.object({ data: z.array(z.string()) }).parse(await asked(query, '/api/services')).data

const mostTraces = 20_000

/** All spans of the traces in which a service took part; with tags: of those where one of its spans has them. */
export async function spansWith(query: string, service: string, tags: Readonly<Record<string, string>> = {}): Promise<readonly Span[]> {
  const answer = await asked(query, '/api/traces', {
    service,
    limit: String(mostTraces),
    lookback: '1h',
    ...(Object.keys(tags).length > 0 ? { tags: JSON.stringify(tags) } : {}),
  })
  const found = traces.parse(answer).data
  if (found.length === mostTraces) throw new Error(`${service} has more traces than are looked at`)
  return found.flatMap(spansOf)
}

export const keyOf = ({ traceId, spanId }: Ref): string => `${traceId}/${spanId}`

/** Every span of every trace, once. */
export async function allSpans(query: string): Promise<readonly Span[]> {
  const each: (readonly Span[])[] = []
  for (const service of await reported(query)) each.push(await spansWith(query, service))
  return [...new Map(each.flat().map((span) => [keyOf(span), span])).values()]
}
