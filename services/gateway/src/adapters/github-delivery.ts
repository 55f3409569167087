import { refuse } from '@rondo/kernel'
import type { Observed, Who } from './adapter.ts'

/** What one event of GitHub's becomes. `id` makes the parts of a delivery distinct. */
export interface Delivery {
  readonly id: string
  readonly body: unknown
  readonly who: Who
}
export type GithubHandler = (delivery: Delivery) => readonly Observed[]

/** For an `action` that says nothing Rondo uses. */
export const unsupportedAction = (event: string, action: string, supported: readonly string[]): never =>
  refuse('unsupported', `${event} "${action}" is not used; supported: ${supported.join(', ')}`, { path: 'action' })
