import { type Attributes, type Counter, type Meter, type MetricOptions, metrics } from '@opentelemetry/api'

/**
 * Sums that are told when somebody looks: the library's own counter writes attributes out at each call, which many are on the way of a fact.
 * Calls name the same attributes in the same order.
 */
export function counter(meter: Meter, name: string, options: MetricOptions): Pick<Counter, 'add'> {
  const sums = new Map<string, { readonly attributes: Attributes; sum: number }>()
  meter.createObservableCounter(name, options).addCallback((seen) => {
    for (const { attributes, sum } of sums.values()) seen.observe(sum, attributes)
  })
  return {
    add(count, attributes = {}) {
      const key = Object.values(attributes).join('\n')
      const one = sums.get(key)
      if (one) one.sum += count
      else sums.set(key, { attributes, sum: count })
    },
  }
}

/** What Rondo measures of itself. Made once a meter provider is there (the API hands out dead instruments before). */
export function createMetrics() {
  const meter = metrics.getMeter('rondo')
  return {
    events: counter(meter, 'rondo.events.appended', { description: 'Events appended to the ledgers', unit: '{event}' }),
    batch: meter.createHistogram('rondo.ledger.batch', {
      description: 'Units written in one statement',
      unit: '{unit}',
      advice: { explicitBucketBoundaries: [1, 2, 5, 10, 20, 50, 100, 200, 500] },
    }),
    conflicts: counter(meter, 'rondo.ledger.conflicts', {
      description: 'Units that were lost to another writer and decided again',
      unit: '{unit}',
    }),
    units: counter(meter, 'rondo.units', { description: 'Units handed to the ledgers, by origin and outcome', unit: '{unit}' }),
    refusals: counter(meter, 'rondo.refusals', { description: 'Refused calls, by code', unit: '{call}' }),
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
    consumed: counter(meter, 'rondo.consumer.records', { description: 'Records read, by what became of them', unit: '{record}' }),
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
    relayed: counter(meter, 'rondo.relay.events', { description: 'Events sent to the bus', unit: '{event}' }),
  }
}

export type Metrics = ReturnType<typeof createMetrics>
