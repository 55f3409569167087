import type { Instant, Tell } from '@rondo/kernel'
import { tell } from '@rondo/kernel'
import type { Found, Read } from '@rondo/reaction'
import { beforeCounts, beforeWindow, type Counts, evidenceOf, type Material } from './evidence.ts'
import { latestOf } from './moments.ts'
import { type Place, placeKey, proofId, runningId } from './names.ts'
import { hasFailed, isRunning, type Proof, phaseOf, proof, standing, type Terms } from './proof.ts'
import { fixedSince, type Placement, placementsWith, type Running, running } from './running.ts'
import { service } from './service-entry.ts'
import { type Signal, signal } from './signal.ts'
import { merged, source } from './source.ts'
import { trafficView } from './views/traffic.ts'

export const usualTerms: Terms = { kind: 'defect', target_ratio: 0.5, deadline_days: 14 }

/** Later than any report: what was told is counted, whichever of two reports came first. */
const ever = '9999-12-31T23:59:59.999999Z'

const newestFirst = (proofs: readonly Found<Proof>[]) =>
  proofs.toSorted((a, b) => ((a.state.clock_started_at ?? '') < (b.state.clock_started_at ?? '') ? 1 : -1))

/**
 * Where the next attempt at proving begins, if one is due: at the first artifact with the fix; after an attempt that failed, at a
 * new artifact that brings a further change for the requirement (or brings it back).
 */
export function nextAttempt(there: Running, requirement: string, proofs: readonly Found<Proof>[]): Placement | undefined {
  const steps = placementsWith(there, requirement)
  const [latest] = newestFirst(proofs)
  if (!latest) return steps[0]
  if (!hasFailed(latest.state)) return undefined
  const clock = latest.state.clock_started_at ?? ''
  const fixes = new Set(proofs.flatMap(({ state }) => state.fixes))
  const served = new Set(there.placements.filter(({ since }) => since <= clock).map(({ artifact }) => artifact))
  return steps.find(
    ({ since, artifact, entered, changes_entered }) =>
      since > clock &&
      !served.has(artifact) &&
      !latest.state.artifacts.includes(artifact) &&
      (entered.includes(requirement) || changes_entered.some((sha) => fixes.has(sha))),
  )
}

const alertsOf = (signals: readonly Found<Signal>[]) =>
  signals.filter(({ state }) => state.about?.kind === 'alert').map(({ id, state }) => ({ signal: id, episodes: state.episodes }))

/** When any of the senders of these signals was known to live. */
async function aliveOf(read: Read, signals: readonly Found<Signal>[]) {
  const names = new Set(signals.flatMap(({ state }) => state.episodes.flatMap(({ sources }) => Object.keys(sources))))
  const sources = names.size > 0 ? await read.loadAll(source, [...names]) : []
  return merged(sources.flatMap(({ state }) => state.alive))
}

/** The frozen side: what happened at this place until the clock started. */
async function beforeOf(read: Read, place: Place, signals: readonly Found<Signal>[], clock: Instant): Promise<Counts> {
  const first = signals.flatMap(({ state }) => state.first_at ?? []).sort()[0]
  const window = beforeWindow(first, clock)
  const view = read.view(trafficView)
  const span = { after: window.from, until: clock }
  return beforeCounts(window, {
    buckets: await view.buckets(placeKey(place), span, window.from),
    events: await view.events(placeKey(place), span, window.from),
    alerts: alertsOf(signals),
    alive: await aliveOf(read, signals),
  })
}

/** What must be told so that each place where the requirement's signals were seen has the proof that it should have. */
export async function openings(read: Read, requirement: string, where: Omit<Place, 'problem'>): Promise<readonly Tell[]> {
  return openingsOf(read, requirement, where, await read.find(signal, 'requirement', [requirement]))
}

/** The same where the requirement's signals are known. What each alert asks for is asked at once. */
export async function openingsOf(
  read: Read,
  requirement: string,
  { service: name, environment }: Omit<Place, 'problem'>,
  linked: readonly Found<Signal>[],
): Promise<readonly Tell[]> {
  const here = linked.filter(({ state: { about } }) => about?.service === name && about.environment === environment)
  const problems = [...new Set(here.flatMap(({ state }) => state.about?.problem ?? []))].sort()
  const places = problems.map((problem) => ({ service: name, environment, problem }))
  const [there, ...proofs] = await Promise.all([
    read.load(running, runningId({ service: name, environment })),
    ...places.map((place) => read.find(proof, 'place', [placeKey(place)])),
  ])
  const tells = await Promise.all(places.map((place, index) => opening(read, requirement, place, there, proofs[index] ?? [])))
  return tells.flat()
}

async function opening(
  read: Read,
  requirement: string,
  place: Place,
  there: Running,
  found: readonly Found<Proof>[],
): Promise<readonly Tell[]> {
  const proofs = found.filter(({ state }) => state.opened?.requirement === requirement)
  const placement = nextAttempt(there, requirement, proofs)
  if (!placement) return []
  // all that tell of this problem, those included whose link is still on its way
  const signals = await read.find(signal, 'place', [placeKey(place)])
  const { entry } = await read.load(service, place.service)
  const { artifact, since } = placement
  const before = await beforeOf(read, place, signals, since)
  const opened = {
    ...place,
    requirement,
    artifact,
    clock_started_at: since,
    before,
    signals: signals.map(({ id }) => id),
    terms: entry?.proof ?? usualTerms,
  }
  return [tell(proof, proofId(requirement, place, since), 'open', opened)]
}

/** What is known for and against the fix. `at`: not earlier than this; a report that ends later is known too. */
export async function materialOf(
  read: Read,
  { opened, clock_started_at, artifacts, attributed }: Proof,
  at: Instant,
): Promise<Material | undefined> {
  if (!opened || !clock_started_at) return undefined
  const view = read.view(trafficView)
  const place = placeKey(opened)
  const span = { after: clock_started_at, until: ever }
  const [buckets, events, there, signals] = await Promise.all([
    view.buckets(place, span),
    view.events(place, span),
    read.load(running, runningId(opened)),
    read.find(signal, 'place', [place]),
  ])
  return {
    unit: opened.before.unit,
    kind: opened.terms.kind,
    clock: clock_started_at,
    asked_at: latestOf(at, ...buckets.map(({ to }) => to)),
    fixed: new Set([...artifacts, ...fixedSince(there, opened.requirement, clock_started_at)]),
    running: there,
    buckets,
    events,
    alerts: alertsOf(signals),
    errors: signals.find(({ state }) => state.about?.kind === 'errors')?.id,
    alive: opened.before.unit === 'hours' ? await aliveOf(read, signals) : [],
    attributed: new Set(attributed.map(({ event }) => event)),
  }
}

/** Judges these proofs by what is known now. */
export async function measurements(read: Read, proofs: readonly Found<Proof>[], at: Instant): Promise<readonly Tell[]> {
  const tells = await Promise.all(
    proofs.map(async ({ id, state }) => {
      const material = await materialOf(read, state, at)
      return material ? [tell(proof, id, 'measured', evidenceOf(material))] : []
    }),
  )
  return tells.flat()
}

/** Those that further counts can still move: a decided one only by an event. */
export const movable = ({ state }: Found<Proof>, events: number): boolean =>
  isRunning(state) || phaseOf(state) === 'inconclusive' || (events > 0 && standing(state)?.verdict === 'verified')
