import * as intake from '@rondo/contracts/intake'
import { needs } from '@rondo/testkit'
import { expect, test } from 'vitest'
import { at, commit, digest, packaged, put, shop } from '../test/shop.ts'
import { openWorld } from '../test/world.ts'

needs('postgres18')
const id = (n: number) => n.toString(16).padStart(40, '0')
const one = (n: number) =>
  intake.change.observed({
    repository: shop,
    sha: id(n),
    parents: n ? (n > 5 && n % 7 === 0 ? [id(n - 1), id(n - 3)] : [id(n - 1)]) : [],
    patch_id: `p${n}`,
    message: n % 50 ? `c${n}` : `Fix REQ-${n}`,
    committed_at: at(0),
    contributors: [{ actor: `person:p${n % 40}`, role: 'author' }],
  })
for (const order of ['oldest first', 'newest first'] as const) {
  test(order, { timeout: 600_000 }, async () => {
    const world = await openWorld((w) => w.slice(0, 8))
    const N = 10_000
    await world.outside(put, { at: at(0) })
    await world.outside(
      intake.artifact.observed({
        source: 'ci',
        digest: digest('a'),
        name: 'pkg:oci/shop',
        phase: 'packaged',
        revision: id(N - 1),
        repository: shop,
      }),
      { at: at(1) },
    )
    await world.settle()
    let t = Date.now()
    const all = Array.from({ length: N }, (_, n) => (order === 'oldest first' ? n : N - 1 - n))
    for (let i = 0; i < N; i += 100) {
      await Promise.all(all.slice(i, i + 100).map((n) => world.outside(one(n), { at: at(0), id: `c${n}` })))
    }
    console.log(order, 'recorded', Date.now() - t)
    t = Date.now()
    await world.settle()
    console.log(order, 'settled', Date.now() - t, 'position', (await world.ledger.head()).position)
    t = Date.now()
    const answer = await world.query('Contains', { repository: '', revision: id(N - 1), commit: id(0) })
    console.log('contains', Date.now() - t, answer.answer)
    t = Date.now()
    await world.query('ListChanges', { service: 'shop', repository: '', requirement_id: '', page_size: 50, page_token: '', order: '' })
    console.log('list', Date.now() - t)
    const { artifact } = await world.query('GetArtifact', { digest: digest('a') })
    console.log(
      artifact?.contents?.changes.length,
      artifact?.contents?.more,
      artifact?.contents?.requirement_ids.length,
      artifact?.contents?.missing,
    )
    t = Date.now()
    await world.outside(packaged('b', '1'), { at: at(2) })
    await world.outside(
      intake.artifact.observed({
        source: 'ci',
        digest: digest('c'),
        name: 'pkg:oci/shop',
        phase: 'packaged',
        revision: id(N - 1),
        repository: shop,
      }),
      { at: at(1) },
    )
    await world.settle()
    console.log('one more artifact', Date.now() - t)
    expect(answer.answer).toBe('yes')
    await world.close()
  })
}
void commit
