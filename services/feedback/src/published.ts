import { item, notice } from '@rondo/contracts/feedback'
import { incident, proof, signal } from '@rondo/contracts/operations'
import { deployment } from '@rondo/contracts/releases'
import { requirement } from '@rondo/contracts/requirements'
import { type Envelope, type FactType, tell } from '@rondo/kernel'
import { type Reaction, type Read, when } from '@rondo/reaction'
import { entry, type Line } from './entry.ts'
import { turn } from './turn.ts'

/** What stands in the stream for a fact, beside the id of the event. `id`: what makes it one line, where that is not the event. */
type Told = Omit<Line, 'about'> & { readonly id?: string }

const publish = (about: string, { id, ...line }: Told) => tell(entry, id ?? about, 'publish', { ...line, about })

const line = <Data>(fact: FactType<string, Data>, told: (data: Data, event: Envelope<Data>) => Told): Reaction =>
  when(fact, (event) => [publish(event.id, told(event.data, event))])

/** The requirement's title and service come from what was copied of it. */
const step = <Data>(fact: FactType<string, Data>, phase: string, told: (data: Data) => string | undefined): Reaction =>
  when(
    fact,
    ({ streamId }: Envelope<Data>, read: Read) => read.load(turn, streamId),
    ({ id, streamId, data }, { titled }) => {
      const text = told(data)
      const { title = streamId, service = '' } = titled ?? {}
      return text === undefined ? [] : [publish(id, { kind: 'requirement', service, title, text, requirement: streamId, phase })]
    },
  )

const firstLine = (text: string) => text.split('\n')[0]?.trim().slice(0, 200) || 'feedback'

/** What production and people say and what became of it: each row is a kind of line in the feedback stream. */
export const published: readonly Reaction[] = [
  line(item.submitted, ({ item, service = '', text }) => ({ id: `item:${item}`, kind: 'feedback', service, title: firstLine(text), text })),
  line(item.answered, ({ item, text }) => ({ kind: 'feedback', service: '', title: `answer to ${item}`, text })),
  line(signal.opened, ({ service, title, environment }) => ({ kind: 'signal', service, title, text: `seen in ${environment}` })),
  line(incident.declared, ({ service, title, severity, environment, owner }) => ({
    kind: 'incident',
    service,
    title,
    text: `${severity}, in ${environment}; responsible: ${owner}`,
  })),
  line(incident.resolved, ({ incident, service }) => ({ kind: 'incident', service, title: incident, text: 'resolved' })),
  line(deployment.succeeded, ({ service, environment, artifact, release = '' }) => ({
    kind: 'release',
    service,
    title: release || artifact,
    text: `runs in ${environment}`,
  })),
  when(
    proof.judged,
    ({ data }, read) => read.load(turn, data.requirement),
    ({ id, data: { service, requirement, verdict, reason } }, { titled }) => [
      publish(id, { kind: 'proof', service, title: `${verdict}: ${titled?.title ?? requirement}`, text: reason, requirement }),
    ],
  ),

  line(requirement.raised, ({ title, service, origin }, { streamId }) => ({
    kind: 'requirement',
    service,
    title,
    text: `raised: ${origin.kind} ${origin.id}`,
    requirement: streamId,
    phase: 'draft',
  })),
  step(requirement.refined, 'refined', ({ goal }) => `goal: ${goal}`),
  step(requirement.readied, 'ready', () => 'ready for work'),
  step(requirement.named, 'in_progress', ({ sha, repository }) => `work has begun: ${sha.slice(0, 12)} in ${repository}`),
  step(requirement.built, 'built', ({ artifact }) => `built as ${artifact.slice(0, 19)}`),
  step(requirement.entered, 'released', ({ environment, production }) => (production ? `runs in ${environment}` : undefined)),
  step(requirement.left, 'built', ({ environment, production }) => (production ? `no longer runs in ${environment}` : undefined)),
  step(requirement.proof_opened, 'verifying', ({ environment }) => `the proof in ${environment} has begun`),
  step(requirement.verified, 'verified', ({ reason, by }) => reason ?? (by ? `verified by ${by}` : 'verified')),
  step(requirement.undecided, 'verifying', ({ reason }) => `not decided: ${reason}`),
  step(requirement.reopened, 'reopened', ({ reason }) => reason),
  step(requirement.declined, 'declined', ({ reason }) => reason),
  step(requirement.merged, 'merged', ({ into, reason }) => `part of ${into}: ${reason}`),

  line(notice.due, ({ notice, kind, text, requirement }) => ({
    id: `notice:${notice}/${kind}`,
    kind: 'notice',
    service: '',
    title: text,
    text,
    requirement,
  })),
]
