import { Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js'
import { loadProtos } from '@rondo/proto'
import { encode } from '@rondo/runtime'

/*
 * A caller that costs little: requests are made once, and only the ids in their bytes change. What it costs, it costs on both sides.
 */

const protos = loadProtos()
const type = (name: string) => protos.lookupType(`rondo.intake.v1.${name}`)
const types = { unary: type('EmitResponse'), batch: type('EmitBatchResponse'), stream: type('EmitStreamResponse') }

const idLength = 20
const placeholder = (n: number) => `@${String(n).padStart(idLength - 2, '0')}@`
let made = 0
const run = process.hrtime.bigint().toString(36).slice(-8)
const freshId = () => `${run}${(made++).toString(36).padStart(idLength - run.length, '0')}`

/** Coverage of a build that nobody knows: an event that is small, and a stream of its own for each. */
const event = (id: string) => ({
  id,
  source: 'https://bench.example.org',
  time: new Date(Date.now() - 60_000).toISOString(),
  coverage: { artifact: '', build_id: id, lines_covered: '80', lines_total: '100' },
})

/** Bytes with new ids at each call. */
function requests(name: string, events: number): () => Buffer {
  const list = Array.from({ length: events }, (_, n) => event(placeholder(n)))
  const template = encode(type(name), name === 'EmitBatchRequest' ? { events: list } : { event: list[0] })
  const places = list.map(({ id }) => {
    const first = template.indexOf(id)
    return [first, template.indexOf(id, first + 1)] as const
  })
  return () => {
    const bytes = Buffer.from(template)
    for (const at of places) {
      const id = freshId()
      for (const place of at) bytes.write(id, place, 'latin1')
    }
    return bytes
  }
}

const asIs = (bytes: Buffer) => bytes
const path = (method: string) => `/rondo.intake.v1.Intake/${method}`

interface Answer {
  readonly status: string
  readonly code: string
  readonly message: string
}

/** Bytes of one event's request, with new ids at each call. */
export const emitRequests = (): (() => Buffer) => requests('EmitRequest', 1)

/** Whether the answer to it says that it was taken. */
export const acceptedIn = (answer: Buffer): boolean => types.unary.toObject(types.unary.decode(answer)).result?.status === 'accepted'

const accepted = (one: Answer | null | undefined) => {
  if (one?.status !== 'accepted') throw new Error(`an event was not accepted: ${one?.code} ${one?.message}`)
}

export interface IntakeClient {
  /** One event; rejects with the status of a call that fails. */
  unary(): Promise<1>
  /** Events of one call. */
  batch(): Promise<number>
  /** Events over one stream for so long, with so many on their way; resolves with how many were answered. */
  stream(ms: number, window: number): Promise<number>
  close(): void
}

export const batchSize = 100

export function intakeClient(address: string, token: string): IntakeClient {
  const client = new Client(address, credentials.createInsecure(), { 'grpc.max_receive_message_length': 16 << 20 })
  const metadata = new Metadata()
  metadata.set('authorization', `Bearer ${token}`)
  const one = emitRequests()
  const many = requests('EmitBatchRequest', batchSize)
  const item = requests('EmitStreamRequest', 1)

  const call = (method: string, request: Buffer) =>
    new Promise<Buffer>((resolve, reject) => {
      const done = (error: ServiceError | null, answer?: Buffer) => (error || !answer ? reject(error) : resolve(answer))
      client.makeUnaryRequest(path(method), asIs, asIs, request, metadata, { deadline: Date.now() + 60_000 }, done)
    })

  return {
    async unary() {
      const { result } = types.unary.toObject(types.unary.decode(await call('Emit', one())))
      accepted(result)
      return 1
    },
    async batch() {
      const { results } = types.batch.toObject(types.batch.decode(await call('EmitBatch', many())))
      for (const result of results) accepted(result)
      return results.length
    },
    stream: (ms, window) =>
      new Promise((resolve, reject) => {
        const stream = client.makeBidiStreamRequest(path('EmitStream'), asIs, asIs, metadata)
        const end = performance.now() + ms
        let answered = 0
        let sent = 0
        const more = () => {
          for (; sent - answered < window && performance.now() < end; sent++) stream.write(item())
          if (performance.now() >= end && sent === answered) stream.end()
        }
        stream.on('data', (bytes: Buffer) => {
          accepted(types.stream.toObject(types.stream.decode(bytes)).result)
          answered++
          more()
        })
        stream.on('error', reject)
        stream.on('end', () => resolve(answered))
        more()
      }),
    close: () => client.close(),
  }
}
