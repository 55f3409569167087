import type { Operations } from '@rondo/proto/operations'
import type { Releases } from '@rondo/proto/releases'
import { sendCdevent } from './cdevent.ts'
import { phaseIs } from './code.ts'
import { digestShort, refused, type Stage } from './stage.ts'

type Release = NonNullable<Releases['GetRelease']['response']['release']>

/** The candidate that arose by itself, once all that belongs to it is known. */
async function candidate({ fixed, as, until }: Stage, requirement: string): Promise<Release> {
  return until(`a release candidate with ${digestShort(fixed)} and ${requirement}`, async () => {
    const { releases } = await as.ada.rpc<Releases['ListReleases']['response']>('rondo.releases.v1.Releases/ListReleases', {
      artifact: fixed,
    })
    const [found] = releases
    if (!found) return { seen: 'no release' }
    if (!found.requirements.includes(requirement)) return { seen: `${found.release_id} without the requirement` }
    if (found.approval_obstacles.length > 0) return { seen: `${found.release_id}: ${found.approval_obstacles.join('; ')}` }
    return found.gates.some(({ release_allowed }) => release_allowed) ? { found } : { seen: `${found.release_id} without a verdict` }
  })
}

async function approval({ as, tell }: Stage, { release_id }: Release): Promise<void> {
  const { content_hash } = await as.ada.rpc<Releases['RequestApproval']['response']>('rondo.releases.v1.Releases/RequestApproval', {
    release_id,
  })
  tell('ada', `asks for approval of exactly these contents: ${content_hash.slice(0, 12)}…`)
  const no = await refused(as.ada.rpc('rondo.releases.v1.Releases/Approve', { release_id, content_hash }), 'four_eyes')
  tell('ada', 'tries to approve it herself.')
  tell('rondo', `refuses (${no.details.code}): ${no.message}`)
  await as.grace.rpc('rondo.releases.v1.Releases/Approve', { release_id, content_hash })
  tell('grace', `who wrote none of it, approves ${release_id}.`)
}

async function deployment(stage: Stage, { release_id }: Release, requirement: string): Promise<void> {
  const { run, service, fixed, as, tell, until } = stage
  await as.edsger.rpc('rondo.releases.v1.Releases/Deploy', { release_id, environment: 'production' })
  tell('edsger', `asks whether ${release_id} may go to production: yes, it is approved and past the gate.`)
  const content = {
    environment: { id: 'production', source: 'https://deployer.example.org' },
    artifactId: `pkg:oci/${service}@${encodeURIComponent(fixed)}`,
  }
  await sendCdevent(as.ci, {
    id: `${run}/deployed`,
    source: 'https://deployer.example.org',
    what: 'service.deployed',
    subject: service,
    content,
  })
  await until(`${release_id} to run in production`, async () => {
    const { releases } = await as.edsger.rpc<Releases['WhatRuns']['response']>('rondo.releases.v1.Releases/WhatRuns', {
      service,
      environment: 'production',
    })
    return releases.includes(release_id) ? { found: true } : { seen: 'something else, or nothing, runs there' }
  })
  tell('ci', `deployed it (CDEvent service.deployed): ${digestShort(fixed)}… serves production now.`)
  const phase = await until(`${requirement} to be released`, () => phaseIs(stage, requirement, ['released', 'verifying', 'verified']))
  tell('rondo', `${requirement} is ${phase}: the change entered production.`)
}

async function handover({ service, as, tell, until }: Stage, { release_id }: Release): Promise<void> {
  const to = 'team-operations'
  await as.ada.rpc('rondo.releases.v1.Releases/OfferHandover', { release_id, to })
  tell('ada', `offers the running of it to ${to}.`)
  await as.edsger.rpc('rondo.releases.v1.Releases/AcceptHandover', { release_id })
  await until(`${to} to be responsible for ${service}`, async () => {
    const { owner } = await as.edsger.rpc<Operations['WhoIsResponsible']['response']>('rondo.operations.v1.Operations/WhoIsResponsible', {
      service,
    })
    return owner?.owner === to ? { found: true } : { seen: owner?.owner ?? 'nobody' }
  })
  tell('edsger', `accepts. Who is responsible for ${service} now? ${to}.`)
}

/** Approved by somebody who did not write it, deployed, handed over. */
export async function release(stage: Stage, requirement: string): Promise<void> {
  stage.part('4. Four eyes, then production')
  const found = await candidate(stage, requirement)
  stage.tell(
    'rondo',
    `put together the release candidate ${found.release_id}: ${found.artifacts.length} artifact, ${found.changes.length} changes, ${found.requirements.join(', ')}.`,
  )
  await approval(stage, found)
  await deployment(stage, found, requirement)
  await handover(stage, found)
}
