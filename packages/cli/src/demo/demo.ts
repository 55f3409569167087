import type { GetLoopResponse } from '@rondo/proto/intake'
import { timeline } from '../commands/loop.ts'
import type { Session } from '../session.ts'
import { code } from './code.ts'
import { production, prologue } from './production.ts'
import { proof } from './proof.ts'
import { release } from './release.ts'
import { type Stage, setStage } from './stage.ts'

const next = (requirement: string, { service, fixed }: Stage) => `What to try next:

  rondo loop ${requirement}       this history again (--all: every event, --json: for machines)
  rondo tail --since 5m           all events as they were recorded, then live
  rondo call Operations/WhatRuns '{"service": "${service}"}'
  rondo help                      everything else

It happens again, in the fixed artifact, and ${requirement} is reopened:

  rondo emit --example errors --set errors.service=${service} --set errors.artifact=${fixed}
`

/** One whole turn of the loop, through the public edge only. Each run plays a turn of its own. */
export async function demo(session: Session): Promise<void> {
  const { terminal } = session
  const begin = performance.now()
  const stage = await setStage(session)
  await prologue(stage)
  const { requirement } = await production(stage)
  await code(stage, requirement)
  await release(stage, requirement)
  const phase = await proof(stage, requirement)
  const turn = await stage.as.barbara.rpc<GetLoopResponse>('rondo.intake.v1.Loops/GetLoop', { requirement_id: requirement })
  stage.part('The turn as it is remembered')
  terminal.line(`\n${timeline(terminal, turn)}`)
  terminal.note(terminal.dim(`played in ${((performance.now() - begin) / 1000).toFixed(1)} s`))
  terminal.data({ requirement, phase }, next(requirement, stage))
}
