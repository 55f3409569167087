import type { Service } from '@rondo/runtime'
import { artifact } from './artifact.ts'
import { build } from './build.ts'
import { catalog } from './catalog.ts'
import { change } from './change.ts'
import { gate } from './decision.ts'
import { evidence } from './evidence.ts'
import { identity } from './identity.ts'
import { placement } from './placement.ts'
import { policy } from './policies.ts'
import { reactions } from './reactions.ts'
import { repository } from './repository.ts'
import { rpc } from './rpc.ts'
import { testRun } from './test-run.ts'
import { commitGraph } from './views/commit-graph.ts'
import { lists } from './views/lists.ts'

export const builds: Service = {
  name: 'builds',
  streams: [repository, catalog, identity, change, build, testRun, artifact, evidence, policy, gate, placement],
  reactions,
  views: [commitGraph, lists],
  migrations: new URL('../migrations/', import.meta.url),
  rpc: { 'rondo.builds.v1.Builds': rpc },
}
