import { contentHash } from './content-hash.ts'

const short = (hash: string, digits = 8) =>
  hash
    .slice(hash.indexOf(':') + 1)
    .slice(0, digits)
    .toUpperCase()

/** The candidate's id, the same in every replay: from the one digest, or from all of them. More digits where the short one is taken. */
export const releaseId = (artifacts: readonly string[], digits = 8): string =>
  `REL-${short(artifacts.length === 1 && artifacts[0] ? artifacts[0] : contentHash({ artifacts, requirements: [], policy_hash: '' }), digits)}`

const longest = 400

/** Ids of one source are its own: another source may use the same. Kept readable where it is short enough. */
export function deploymentId(source: string, external: string): string {
  const id = `${source}#${external}`
  return id.length <= longest ? id : `${id.slice(0, longest)}~${short(contentHash({ artifacts: [id], requirements: [], policy_hash: '' }))}`
}
