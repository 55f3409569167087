import { type Client, Metadata, type ServiceError } from '@grpc/grpc-js'
import { loading, loadProtos } from '@rondo/proto'
import { encode, fromStatus } from '@rondo/runtime'

const protos = loadProtos()
const request = protos.lookupType('rondo.intake.v1.EmitRequest')
const response = protos.lookupType('rondo.intake.v1.EmitStreamResponse')

export interface Answered {
  readonly status: string
  readonly code: string
  readonly message: string
  readonly event_id: string
}

interface Streamed {
  /** Answers stand, also where the stream broke after them. */
  readonly results: readonly Answered[]
  readonly error?: unknown
}

/** Events over one stream of their own, all at once; resolves when each is answered, or the stream broke. */
export function streamed(
  client: Client,
  events: readonly object[],
  { authorization, timeoutMs }: { readonly authorization: string; readonly timeoutMs: number },
): Promise<Streamed> {
  const metadata = new Metadata()
  metadata.set('authorization', authorization)
  const stream = client.makeBidiStreamRequest(
    '/rondo.intake.v1.Intake/EmitStream',
    (event: object) => encode(request, { event }),
    (bytes: Buffer): { readonly result: Answered | null } => {
      const { result } = response.toObject(response.decode(bytes), loading)
      return { result }
    },
    metadata,
    { deadline: Date.now() + timeoutMs },
  )
  return new Promise((resolve) => {
    const results: Answered[] = []
    stream.on('data', ({ result }: { readonly result: Answered | null }) => {
      if (result) results.push(result)
    })
    stream.on('error', (error: ServiceError) => resolve({ results, error: fromStatus(error) }))
    stream.on('end', () => resolve({ results }))
    for (const event of events) stream.write(event)
    stream.end()
  })
}
