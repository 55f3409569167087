import { promises } from '@rondo/testkit/promises'
import type { Fault, Plan, Step } from './plan.ts'
import type { Outcome } from './run.ts'

const seconds = (ms: number) => `${(ms / 1000).toFixed(3)} s`

function inWords(one: Step | Fault): string {
  if ('step' in one) {
    if (one.step === 'operate') return `at ${seconds(one.at)} an operator looks at the parked keys at p${one.process}`
    if (one.step === 'intake')
      return `at ${seconds(one.at)} ${one.id} is sent to intake by p${one.process}, ${one.times} times: key ${one.key}, ${one.text}`
    const what = one.rule === 'pair' ? `bump ${one.order} and note ${one.other}` : `${one.rule} ${one.order}`
    return `at ${seconds(one.at)} p${one.process} is asked ${one.id}: ${what} (${one.value}${one.rule === 'schedule' ? `, due after ${one.ms} ms` : ''})`
  }
  switch (one.fault) {
    case 'crash':
      return `p${one.process} crashes ${one.done ? 'when its request' : 'before its request'} ${one.request}${one.done ? ' was done' : ''}, for ${one.downMs} ms`
    case 'freeze':
      return `at ${seconds(one.at)} p${one.process} stands still for ${one.ms} ms`
    case 'stop':
      return `at ${seconds(one.at)} p${one.process} is killed, for ${one.downMs} ms`
    case 'cut':
      return `from ${seconds(one.at)} the next ${one.what ?? 'request'} of p${one.process} to ${one.engine}: ${hows[one.how]} (${one.ms} ms)`
    case 'slow':
      return `at ${seconds(one.at)} the wires of p${one.process} are slow for ${one.ms} ms (up to ${one.by} ms each way)`
    case 'outage':
      return `at ${seconds(one.at)} ${one.engine} is away for ${one.ms} ms`
    case 'jump':
      return `at ${seconds(one.at)} the clock of ${one.engine} jumps by ${one.ms} ms`
    case 'restore':
      return `at ${seconds(one.at)} a copy of ${one.of === 'both' ? 'both ledgers' : one.of} is made, and restored at ${seconds(one.at + one.ms)}`
    case 'grow':
      return `at ${seconds(one.at)} the partition plan grows by ${one.by}`
    case 'raise':
      return `from ${seconds(one.at)} a newer version takes the place of the older one, ${one.apartMs} ms from process to process`
    case 'move':
      return `at ${seconds(one.at)} the group forgets its members`
  }
}

const hows = {
  request: 'gets lost',
  reply: 'is done and its reply gets lost',
  late: 'is told to have failed and is done later',
  twice: 'is done twice',
  torn: 'is done in part',
} as const

const planned = ({ processes, partitions, deaf, skewMs, decisions }: Plan): readonly string[] => [
  `${processes} processes, ${partitions} partitions, ${deaf} of 10 wake-ups get lost, clocks ${seconds(skewMs)} apart`,
  ...decisions.map((one) => `  ${inWords(one)}`),
]

/** What a seed stands for, what happened, and which promises it broke. */
export function report({ plan, violations, story }: Outcome): string {
  return [
    `seed ${plan.seed}: ${plan.decisions.length} decisions`,
    ...planned(plan),
    'what happened',
    ...story.map((line) => `  ${line}`),
    ...(violations.length === 0 ? ['every promise held'] : ['what it broke']),
    ...violations.map(({ promise, what }) => `  promise ${promise} (${promises[promise]}): ${what}`),
    violations.length === 0 ? '' : `replay: npm run simulate -- --seed ${plan.seed}\n`,
  ].join('\n')
}
