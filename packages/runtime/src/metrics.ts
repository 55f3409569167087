import { type Attributes, type Counter, metrics } from '@opentelemetry/api'

/** What Rondo measures of itself. Made once a meter provider is there (the API hands out dead instruments before). */
export function createMetrics() {
  const meter = metrics.getMeter('rondo')
  return {
    events: meter.createCounter('rondo.events.appended', { description: 'Events appended to the ledgers', unit: '{event}' }),
    batch: meter.createHistogram('rondo.ledger.batch', {
      description: 'Units written in one statement',
      unit: '{unit}',
      advice: { explicitBucketBoundaries: [1, 2, 5, 10, 20, 50, 100, 200, 500] },
    }),
    conflicts: meter.createCounter('rondo.ledger.conflicts', {
      description: 'Units that were lost to another writer and decided again',
      unit: '{unit}',
    }),
    units: meter.createCounter('rondo.units', { description: 'Units handed to the ledgers, by origin and outcome', unit: '{unit}' }),
    refusals: meter.createCounter('rondo.refusals', { description: 'Refused calls, by code', unit: '{call}' }),
    rpc: meter.createHistogram('rpc.server.duration', {
      description: 'Duration of gRPC calls',
      unit: 's',
      advice: { explicitBucketBoundaries: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] },
    }),
    http: meter.createHistogram('rondo.http.server.duration', {
      description: 'Duration of HTTP requests, by route',
      unit: 's',
      advice: { explicitBucketBoundaries: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] },
    }),
    admissionLimit: meter.createGauge('rondo.admission.limit', {
      description: 'Calls that may be under way at once; more are told "overloaded"',
      unit: '{call}',
    }),
    underWay: meter.createGauge('rondo.admission.under_way', { description: 'Calls under way', unit: '{call}' }),
    consumed: meter.createCounter('rondo.consumer.records', { description: 'Records read, by what became of them', unit: '{record}' }),
    lag: meter.createGauge('rondo.consumer.lag', {
      description: 'Records between what was read and the end of the partition',
      unit: '{record}',
    }),
    paused: meter.createGauge('rondo.consumer.paused', { description: 'Partitions that stand still', unit: '{partition}' }),
    parked: meter.createGauge('rondo.parked.keys', { description: 'Keys whose records wait for a person', unit: '{key}' }),
    relayDelay: meter.createGauge('rondo.relay.delay', {
      description: 'Age of the oldest event that the bus does not have yet',
      unit: 's',
    }),
    relayed: meter.createCounter('rondo.relay.events', { description: 'Events sent to the bus', unit: '{event}' }),
  }
}

/** Adds up, by a name, what is counted in one turn of the event loop: at each call a counter writes its attributes out. */
export function tallied(counter: Pick<Counter, 'add'>, attributesOf: (name: string) => Attributes): (name: string, count?: number) => void {
  const counts = new Map<string, number>()
  const tell = () => {
    for (const [name, count] of counts) counter.add(count, attributesOf(name))
    counts.clear()
  }
  return (name, count = 1) => {
    if (counts.size === 0) setImmediate(tell)
    counts.set(name, (counts.get(name) ?? 0) + count)
  }
}
export type Metrics = ReturnType<typeof createMetrics>
