import { planOf } from './plan.ts'
import { run } from './run.ts'

const from = Number(process.argv[2] ?? 1),
  n = Number(process.argv[3] ?? 1)
const t = performance.now()
let steps = 0,
  events = 0,
  bad = 0
for (let s = from; s < from + n; s++) {
  const o = await run(planOf(s))
  steps += o.steps
  events += o.events
  if (o.violations.length) {
    bad++
    console.log(
      s,
      o.violations.slice(0, 4).map((v) => `${v.promise}: ${v.what}`),
    )
    if (n === 1) console.log(o.story.join('\n'))
  }
}
console.log({ bad, msPerSeed: (performance.now() - t) / n, steps: steps / n, events: events / n })
