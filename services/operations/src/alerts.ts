import type { AlertWord } from '@rondo/contracts/operations'
import { type Instant, type Tell, tell } from '@rondo/kernel'
import type { Read } from '@rondo/reaction'
import { alertSignalId, bounded, problemOf, runningId, unmappedId } from './names.ts'
import { type Running, running, soleArtifact } from './running.ts'
import { type Entry, labelKey, service, serviceOf } from './service-entry.ts'
import { signal } from './signal.ts'
import { source } from './source.ts'
import { unmapped } from './unmapped.ts'

/** Labels that say what an alert is about; never which instance of it. */
const telling = [
  'alertname',
  'app',
  'application',
  'cluster',
  'component',
  'container',
  'deployment',
  'job',
  'namespace',
  'service',
  'team',
]

/** By what a person maps alerts that belong to nobody: once for all instances. */
export function alertName(labels: Readonly<Record<string, string>>, fingerprint: string): string {
  const told = telling.filter((label) => labels[label]).map((label) => `${label}=${labels[label]}`)
  return bounded(told.length > 0 ? told.join(', ') : `fingerprint=${fingerprint}`)
}

/** Alertmanager writes year 1 where an alert has not ended. */
const ended = (at: Instant | undefined): Instant | undefined => (at === undefined || at.startsWith('0001-') ? undefined : at)

export type Home = { readonly id: string; readonly entry: Entry | undefined; readonly there: Running } | { readonly reason: string }

const environmentOf = (labels: Readonly<Record<string, string>>, entry: Entry | undefined) =>
  bounded(labels[entry?.environment_label ?? 'environment'] || (entry?.default_environment ?? 'production'))

/** To which service it belongs: by the catalog's labels, else by a person's word. */
export async function homeOf(read: Read, word: Pick<AlertWord, 'labels' | 'fingerprint'>): Promise<Home> {
  const { labels, fingerprint } = word
  const [candidates, guessed, { service: mapped }] = await Promise.all([
    read.find(
      service,
      'alert_label',
      Object.entries(labels).map(([name, value]) => labelKey(name, value)),
    ),
    guessedPlaces(read, labels),
    read.load(unmapped, unmappedId('alert', alertName(labels, fingerprint))),
  ])
  const { id, entry, reason = 'no service fits' } = serviceOf(labels, candidates)
  if (id === undefined) return mapped ? mappedHome(read, mapped, labels) : { reason }
  const place = runningId({ service: id, environment: environmentOf(labels, entry) })
  return { id, entry, there: guessed.get(place) ?? (await read.load(running, place)) }
}

/** Most services are called as a label of their alerts says: what runs there is asked for before it is known whose alert it is. */
async function guessedPlaces(read: Read, labels: Readonly<Record<string, string>>): Promise<ReadonlyMap<string, Running>> {
  const environment = environmentOf(labels, undefined)
  const places = [...new Set(Object.values(labels))].map((guess) => runningId({ service: guess, environment }))
  const found = new Map((await read.loadAll(running, places)).map(({ id, state }) => [id, state]))
  return new Map(places.map((place) => [place, found.get(place) ?? running.initial]))
}

export async function mappedHome(read: Read, id: string, labels: Readonly<Record<string, string>>): Promise<Home> {
  const { entry } = await read.load(service, id)
  return { id, entry, there: await read.load(running, runningId({ service: id, environment: environmentOf(labels, entry) })) }
}

/** What the word means to the streams. When it was said is when it was heard: a sender repeats itself without a time of its own. */
export function wordTells(word: AlertWord, home: Home): readonly Tell[] {
  const { labels, fingerprint, group_key, said_at, starts_at, status, title } = word
  if ('reason' in home) {
    const name = alertName(labels, fingerprint)
    return [tell(unmapped, unmappedId('alert', name), 'seen', { kind: 'alert', name, reason: home.reason, alert: word })]
  }
  const heard = {
    service: home.id,
    environment: environmentOf(labels, home.entry),
    problem: problemOf(home.id, labels.alertname ?? fingerprint, labels, home.entry?.problem_labels),
    kind: 'alert' as const,
    fingerprint,
    title,
    source: word.source,
    episode: starts_at,
    group_key,
    artifact: soleArtifact(home.there, { from: starts_at, to: starts_at }),
    said_at,
  }
  const id = alertSignalId(fingerprint)
  return status === 'firing'
    ? [tell(signal, id, 'fires', heard)]
    : [tell(signal, id, 'ended', { ...heard, ended_at: ended(word.ends_at) ?? said_at })]
}

/** It lived when what it tells of happened, and lives when it is heard. */
export const aliveTell = (sender: string, heard_at: Instant): Tell => tell(source, sender, 'heard', { kind: 'alertmanager', heard_at })
