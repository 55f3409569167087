import { createHmac } from 'node:crypto'
import type { Config } from './config.ts'
import { StartError } from './start-error.ts'

export interface Role {
  readonly role: string
  /** Undefined: as it is (the server trusts it, or it was set elsewhere). */
  readonly password: string | undefined
}
export interface ServiceDatabase extends Role {
  /** How the service connects. */
  readonly url: string
  /** The variable that a person would change. */
  readonly variable: string
}

/** The same in every process that knows the owner's address, and nowhere written down. */
const derived = (owner: URL, name: string) =>
  createHmac('sha256', decodeURIComponent(owner.password)).update(`rondo ${name}`).digest('hex').slice(0, 40)

/** The owner's database with a role of its own. */
export function ownRole(ownerUrl: string, name: string): ServiceDatabase {
  const url = new URL(ownerUrl)
  const password = derived(url, name)
  const role = `rondo_${name}`
  url.username = role
  url.password = password
  return { url: url.href, role, password, variable: 'RONDO_DATABASE_URL' }
}

/** How a service connects: as the environment says, else with a role derived from the owner's address. */
export function serviceDatabase({ serviceDatabaseUrls, databaseUrl }: Config, service: string): ServiceDatabase {
  const variable = `RONDO_${service.toUpperCase()}_DATABASE_URL`
  const own = serviceDatabaseUrls[service]
  if (own) {
    const { username, password } = new URL(own)
    return { url: own, role: decodeURIComponent(username), password: password ? decodeURIComponent(password) : undefined, variable }
  }
  if (!databaseUrl)
    throw new StartError(`${service} needs a database: set RONDO_DATABASE_URL (the owner's, for migrations too) or ${variable}`)
  return ownRole(databaseUrl, service)
}
