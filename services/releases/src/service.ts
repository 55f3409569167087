import type { Service } from '@rondo/runtime'
import { artifactNote } from './artifact-note.ts'
import { changeNote } from './change-note.ts'
import { deployment } from './deployment.ts'
import { environment } from './environment.ts'
import { handover } from './handover.ts'
import { identityNote } from './identity-note.ts'
import { incidentNote } from './incident-note.ts'
import { reactions } from './reactions.ts'
import { release } from './release.ts'
import { rpc } from './rpc.ts'
import { serviceNote } from './service-note.ts'

export const releases: Service = {
  name: 'releases',
  streams: [release, deployment, environment, handover, artifactNote, changeNote, identityNote, incidentNote, serviceNote],
  reactions,
  rpc: { 'rondo.releases.v1.Releases': rpc },
}
