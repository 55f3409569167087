import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Client, credentials } from '@grpc/grpc-js'
import { loadSync, type ServiceDefinition } from '@grpc/proto-loader'
import { freshDatabase, needs } from '@rondo/testkit'
import { protoPath } from 'grpc-health-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runServices, type TestRun } from '../test/running.ts'
import { countsService, thingsService } from '../test/services.ts'

const { met } = needs('postgres18')
let process: TestRun
beforeAll(async () => {
  if (met) process = await runServices([thingsService, countsService], { RONDO_DATABASE_URL: await freshDatabase() })
})
afterAll(() => process?.stop())

type Method = ServiceDefinition[string]

/** A client as any tool has one: it knows the method's definition and nothing of Rondo. */
async function ask({ path, requestSerialize, responseDeserialize }: Method, request: object): Promise<object> {
  const client = new Client(process.addresses.grpc, credentials.createInsecure())
  const { promise, resolve, reject } = Promise.withResolvers<object>()
  client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, (error, answer) =>
    error ? reject(error) : resolve(answer ?? {}),
  )
  try {
    return await promise
  } finally {
    client.close()
  }
}

function methodOf(protos: string, service: string, name: string): Method {
  const method = (loadSync(protos, { keepCase: true, enums: String })[service] as ServiceDefinition)[name]
  if (!method) throw new Error(`there is no ${name}`)
  return method
}

test('health tells of each service', async () => {
  const check = methodOf(protoPath, 'grpc.health.v1.Health', 'Check')
  expect(await ask(check, { service: '' })).toMatchObject({ status: 'SERVING' })
  expect(await ask(check, { service: 'rondo.things.v1.Things' })).toMatchObject({ status: 'SERVING' })
  await expect(ask(check, { service: 'rondo.nothing.v1.Nothing' })).rejects.toThrow(/NOT_FOUND/)
})

test.each(['v1', 'v1alpha'])('reflection %s tells what there is, for clients without the protos', async (version) => {
  const protos = new URL(`../proto/grpc/reflection/${version}/reflection.proto`, import.meta.resolve('@grpc/reflection'))
  const { path, requestSerialize, responseDeserialize } = methodOf(
    fileURLToPath(protos),
    `grpc.reflection.${version}.ServerReflection`,
    'ServerReflectionInfo',
  )
  const client = new Client(process.addresses.grpc, credentials.createInsecure())
  const call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize)
  const told = async (question: object) => {
    call.write(question)
    const [answer] = await once(call, 'data')
    return JSON.stringify(answer)
  }
  const services = ['rondo.intake.v1.Intake', 'rondo.requirements.v1.Requirements', 'rondo.ledger.v1.Ledger']
  const all = await told({ list_services: '' })
  for (const service of services) {
    expect(all).toContain(service)
    expect(await told({ file_containing_symbol: service })).toContain('file_descriptor_proto')
  }
  call.on('error', () => undefined) // cancelled by us
  call.cancel()
  client.close()
})
