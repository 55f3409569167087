import type { Service } from '@rondo/runtime'
import { incident } from './incident.ts'
import { proof } from './proof.ts'
import { reactions } from './reactions.ts'
import { rpc } from './rpc.ts'
import { running } from './running.ts'
import { service } from './service-entry.ts'
import { signal } from './signal.ts'
import { source } from './source.ts'
import { traffic } from './traffic.ts'
import { unmapped } from './unmapped.ts'
import { trafficView } from './views/traffic.ts'

export const operations: Service = {
  name: 'operations',
  streams: [service, unmapped, source, signal, incident, traffic, running, proof],
  reactions,
  views: [trafficView],
  migrations: new URL('../migrations/', import.meta.url),
  rpc: { 'rondo.operations.v1.Operations': rpc },
}
