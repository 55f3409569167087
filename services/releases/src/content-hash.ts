import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js'

export interface Content {
  readonly artifacts: readonly string[]
  readonly requirements: readonly string[]
  readonly policy_hash: string
}

const asSet = (values: readonly string[]) => [...new Set(values)].sort()

/** What an approval binds to: artifact digests and requirement ids as sets, and the hash of the policy. */
export function contentHash({ artifacts, requirements, policy_hash }: Content): string {
  const text = JSON.stringify([asSet(artifacts), asSet(requirements), policy_hash])
  return `sha256:${bytesToHex(sha256(utf8ToBytes(text)))}`
}
