import { createHash } from 'node:crypto'

/** Names are part of ids and keys, which are bounded; a longer one is cut and told apart by a hash. */
const longest = 400

export const hashOf = (...parts: readonly string[]): string => createHash('sha256').update(JSON.stringify(parts)).digest('hex')

export function bounded(text: string, length = longest): string {
  return text.length <= length ? text : `${text.slice(0, length - 17).toWellFormed()}~${hashOf(text).slice(0, 16)}`
}

export interface Place {
  readonly service: string
  readonly environment: string
  readonly problem: string
}

/** Service + alert name or error class, with those labels that are configured to tell problems apart; never an instance. */
export function problemOf(
  service: string,
  what: string,
  labels: Readonly<Record<string, string>> = {},
  telling: readonly string[] = [],
): string {
  const told = telling.filter((label) => labels[label] !== undefined).sort()
  const suffix = told.map((label) => `${label}=${labels[label]}`).join(', ')
  return bounded(`${service}: ${what}${suffix ? ` {${suffix}}` : ''}`)
}

/** Under which everything about one problem in one environment is found. */
export const placeKey = ({ service, environment, problem }: Place): string => hashOf(service, environment, problem)
export const whereKey = ({ service, environment }: Omit<Place, 'problem'>): string => hashOf(service, environment)

/** The sender's own fingerprint: the same alert from another replica is the same signal. */
export const alertSignalId = (fingerprint: string): string => bounded(`alert:${fingerprint}`)
/** Errors have no fingerprint of their own: service, environment and class make it. */
export const errorsFingerprint = (service: string, environment: string, errorClass: string): string =>
  hashOf(service, environment, errorClass).slice(0, 20)
export const errorsSignalId = (fingerprint: string): string => `errors:${fingerprint}`

export const unmappedId = (kind: string, name: string): string => bounded(`${kind}:${name}`, 480)
export const runningId = ({ service, environment }: Omit<Place, 'problem'>): string => bounded(`${service}/${environment}`, 480)
/** Readable, and the same whichever of two facts came second. */
export const proofId = (requirement: string, place: Place, clockStartedAt: string): string =>
  `PRF-${hashOf(requirement, placeKey(place), clockStartedAt).slice(0, 12).toUpperCase()}`
