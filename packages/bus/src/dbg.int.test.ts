import { eventually, freshDatabase } from '@rondo/testkit'
import { test } from 'vitest'
import { postgresBus } from './postgres/bus.ts'
import { migrateBus } from './postgres/migration.ts'
test('x', async () => {
  const owner = await freshDatabase()
  await migrateBus(owner)
  const bus = postgresBus({ url: owner, log: console.log })
  await bus.ensure([{ name: 't', partitions: 2 }])
  let n = 0
  const c = await bus.consume({ group: 'g', topics: ['t'], start: async () => 'first', handle: async (b) => { n += b.length }, onError: (e) => console.log('ERR', e) })
  await bus.send('t', [{ key: 'a', value: null, headers: {} }])
  await eventually(() => n > 0, { within: 4000 }).catch((e) => console.log(e, c.paused))
  await bus.close()
})
