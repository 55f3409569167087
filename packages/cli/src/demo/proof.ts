import type { Feedback } from '@rondo/proto/feedback'
import type { Operations } from '@rondo/proto/operations'
import { phaseIs } from './code.ts'
import { allClear, errorClass } from './production.ts'
import { digestShort, emit, type Stage } from './stage.ts'

type Proof = Operations['ListProofs']['response']['proofs'][number]

async function proofOf({ as }: Stage, requirement: string): Promise<Proof | undefined> {
  const { proofs } = await as.edsger.rpc<Operations['ListProofs']['response']>('rondo.operations.v1.Operations/ListProofs', {
    requirement_id: requirement,
  })
  return proofs[0]
}

/** The fixed artifact serves: requests without a single error of the class. */
async function exposure({ run, service, fixed, as, tell }: Stage, { clock_started_at, needed_further_exposure = 0 }: Proof): Promise<void> {
  const requests = Math.ceil((needed_further_exposure * 1.1) / 100) * 100
  const to = new Date().toISOString()
  const errors = {
    service,
    environment: 'production',
    artifact: fixed,
    error_class: errorClass,
    title: 'Payments time out',
    from: clock_started_at,
    to,
    events: '0',
    requests: String(requests),
    event_ids: [],
  }
  await emit(as.shop, { id: `${run}/errors/after`, source: `https://${service}.example.org`, time: to, errors })
  tell('shop', `reports: ${digestShort(fixed)}… served ${requests.toLocaleString('en')} requests, with 0 errors of class ${errorClass}.`)
}

async function notice({ run, as, tell, until }: Stage, requirement: string): Promise<void> {
  const told = await until(`the notice to the customer who asked for ${requirement}`, async () => {
    const { notices } = await as.barbara.rpc<Feedback['ListNotices']['response']>('rondo.feedback.v1.Feedback/ListNotices', {
      requirement_id: requirement,
    })
    const found = notices.find(
      ({ requester_id, kind, delivered_at }) => requester_id === `customer-${run}` && kind === 'verified' && delivered_at,
    )
    return found ? { found } : { seen: 'no notice' }
  })
  tell('customer', `is told, once: ${told.text}.`)
}

/** Production itself says whether the fix worked, and who asked is told. */
export async function proof(stage: Stage, requirement: string): Promise<string> {
  const { part, tell, until } = stage
  part('5. Did it work?')
  const open = await until(`a proof of ${requirement}`, async () => {
    const found = await proofOf(stage, requirement)
    return found?.before && found.clock_started_at ? { found } : { seen: 'no proof' }
  })
  const { before, needed_further_exposure: needed = 0 } = open
  tell(
    'rondo',
    `opened ${open.proof_id} when the fix began to serve. Before: ${before?.events} errors in ${before?.exposure.toLocaleString('en')} requests. It needs about ${Math.ceil(needed).toLocaleString('en')} requests without one.`,
  )
  await exposure(stage, open)
  await allClear(stage)
  tell('alertmanager', `says that ${errorClass} is over.`)
  const proven = await until(`the verdict "verified" of ${open.proof_id}`, async () => {
    const found = await proofOf(stage, requirement)
    return found?.phase === 'verified' ? { found } : { seen: `${found?.phase}${found?.reason ? `: ${found.reason}` : ''}` }
  })
  tell(
    'rondo',
    `${proven.proof_id} is verified: ${proven.reason}. With 95 % confidence the rate is below ${((proven.bound ?? 0) * 100).toFixed(0)} % of what it was.`,
  )
  const phase = await until(`${requirement} to be verified`, () => phaseIs(stage, requirement, ['verified']))
  tell('rondo', `${requirement} is ${phase}.`)
  await notice(stage, requirement)
  return phase
}
