import { PrometheusExporter, PrometheusSerializer } from '@opentelemetry/exporter-prometheus'
import { MeterProvider } from '@opentelemetry/sdk-metrics'
import { expect, test } from 'vitest'
import { counter } from './metrics.ts'

test('what is counted is told as sums, by its attributes, whenever somebody looks', async () => {
  const prometheus = new PrometheusExporter({ preventServerStart: true })
  const meter = new MeterProvider({ readers: [prometheus] }).getMeter('test')
  const told = async () => {
    const { resourceMetrics } = await prometheus.collect()
    const text = new PrometheusSerializer(undefined, false).serialize(resourceMetrics)
    return text.split('\n').filter((line) => line.startsWith('rondo_units'))
  }
  const units = counter(meter, 'rondo.units', { description: 'Units' })
  expect(await told()).toEqual([])
  for (const outcome of ['applied', 'applied', 'duplicate']) units.add(1, { service: 'releases', outcome })
  units.add(5, { service: 'builds', outcome: 'applied' })
  const first = [
    expect.stringMatching(/^rondo_units_total\{service="releases",outcome="applied".*\} 2$/),
    expect.stringMatching(/^rondo_units_total\{service="releases",outcome="duplicate".*\} 1$/),
    expect.stringMatching(/^rondo_units_total\{service="builds",outcome="applied".*\} 5$/),
  ]
  expect(await told()).toEqual(first)
  expect(await told()).toEqual(first)
  units.add(1, { service: 'releases', outcome: 'applied' })
  expect((await told())[0]).toMatch(/ 3$/)
})
