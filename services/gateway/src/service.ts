import type { Service } from '@rondo/runtime'
import { routes } from './http.ts'
import { person } from './person.ts'
import { conflicted, reactions, remembers } from './reactions.ts'
import { refusal } from './refusal.ts'
import { intakeRpc } from './rpc-intake.ts'
import { loopsRpc } from './rpc-loops.ts'
import { peopleRpc } from './rpc-people.ts'

/** The edge: intake, webhooks, JSON over HTTP, the feedback stream, persons. */
export const gateway: Service = {
  name: 'gateway',
  streams: [person, refusal],
  reactions,
  remembers,
  rpc: { 'rondo.intake.v1.Intake': intakeRpc, 'rondo.intake.v1.People': peopleRpc, 'rondo.intake.v1.Loops': loopsRpc },
  onConflict: conflicted,
  http: routes,
}
