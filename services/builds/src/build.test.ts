import { readFileSync } from 'node:fs'
import { build as fact } from '@rondo/contracts/builds'
import { type Instant, parseInstant } from '@rondo/kernel'
import { at, given } from '@rondo/kernel/given'
import { needs, shared, sharedMissing } from '@rondo/testkit'
import { describe, expect, test } from 'vitest'
import { told } from '../test/told.ts'
import { attemptsOf, build } from './build.ts'
import { evidence } from './evidence.ts'
import { measured } from './measures.ts'

interface VectorFact {
  type: 'build' | 'report'
  attempt?: number
  phase?: 'queued' | 'started' | 'finished'
  outcome?: 'success'
  report_digest?: string
  tests?: number
  occurred_at: string
}
interface Vector {
  name: string
  given: { subject: string; facts: VectorFact[]; orders_received_by_index: number[][] }
  expect: {
    end_state_of_every_order: {
      attempts: Record<string, Record<string, string | null>>
      latest_attempt: number
      status_of_latest_attempt: string
      outcome_of_latest_attempt: string | null
      reports?: number
      tests_total?: number
    }
  }
}
const instant = (text: string): Instant => parseInstant(text) ?? 'never'
const expected = (value: string | null | undefined) => (value ? instant(value) : undefined)

const absent = sharedMissing('vectors', 'convergence.json')
describe('builds of the reference vectors', () => {
  needs({ also: absent })
  const { cases } = absent
    ? { cases: [] }
    : (JSON.parse(readFileSync(shared('vectors', 'convergence.json'), 'utf8')) as { cases: Vector[] })
  const own = cases.filter((one) => one.given.subject === 'build')
  test('all of them are here', () => expect(own.length).toBe(20))

  test.each(own.map((one) => [one.name, one] as const))(
    '%s',
    (_, { given: { facts, orders_received_by_index: orders }, expect: { end_state_of_every_order: end } }) => {
      for (const order of [...orders, facts.map((_, index) => facts.length - 1 - index)]) {
        const received = order.map((index) => facts[index]!)
        const state = told(
          build,
          received
            .filter(({ type }) => type === 'build')
            .map(({ attempt = 1, phase = 'queued', outcome, occurred_at }) => ({
              rule: 'observed',
              input: { source: 's', build: 'b-1', kind: 'build', name: 'ci', attempt, phase, outcome },
              at: instant(occurred_at),
            })),
        )
        const attempts = attemptsOf(state)
        expect(
          attempts.map(({ attempt, phase, queued_at, started_at, finished_at, outcome }) => ({
            attempt,
            phase,
            queued_at,
            started_at,
            finished_at,
            outcome,
          })),
        ).toEqual(
          Object.entries(end.attempts).map(([attempt, row]) => ({
            attempt: Number(attempt),
            phase: row.status,
            queued_at: expected(row.queued_at),
            started_at: expected(row.started_at),
            finished_at: expected(row.finished_at),
            outcome: row.outcome ?? undefined,
          })),
        )
        expect([attempts.at(-1)?.attempt, build.phase?.(state), attempts.at(-1)?.outcome ?? null]).toEqual([
          end.latest_attempt,
          end.status_of_latest_attempt,
          end.outcome_of_latest_attempt,
        ])
        if (end.reports === undefined) continue
        const reports = told(
          evidence,
          received
            .filter(({ type }) => type === 'report')
            .map(({ report_digest = '', tests = 0, occurred_at }) => ({
              rule: 'testsReported',
              input: {
                build: 'b-1',
                report: report_digest,
                suites: [],
                counts: { tests, passed: tests, failed: 0, errors: 0, skipped: 0, flaky: 0 },
                cases: [],
              },
              at: instant(occurred_at),
            })),
        )
        expect([Object.keys(reports.tests).length, measured([reports]).counts.tests]).toEqual([end.reports, end.tests_total])
      }
    },
  )
})

const observed = (phase: 'queued' | 'started' | 'finished', outcome?: 'success' | 'failure') =>
  fact.observed({ source: 's', build: 'b', kind: 'check', name: 'ci', attempt: 1, phase, ...(outcome ? { outcome } : {}) })

test('completed, in progress, queued, in any order, ends completed', () => {
  given(
    build,
    at('2026-01-01T00:02:00.000000Z', observed('finished', 'success')),
    at('2026-01-01T00:01:00.000000Z', observed('started')),
    at('2026-01-01T00:00:00.000000Z', observed('queued')),
  )
    .inAnyOrder()
    .phase('finished')
})

test('two outcomes for one attempt: the later counts, the conflict is kept and shown', () => {
  const facts = [
    at('2026-01-01T00:02:00.000000Z', observed('finished', 'success')),
    at('2026-01-01T00:01:00.000000Z', observed('finished', 'failure')),
  ]
  given(build, ...facts)
    .inAnyOrder()
    .phase('finished')
  const state = told(
    build,
    facts.map(({ data, occurredAt }) => ({ rule: 'observed', input: data, at: occurredAt })),
  )
  expect(attemptsOf(state)[0]).toMatchObject({ outcome: 'success', conflicts: [{ outcome: 'failure' }, { outcome: 'success' }] })
})

test('at one and the same instant what is no success counts, and a finish without an outcome is none', () => {
  const same = '2026-01-01T00:02:00.000000Z'
  const outcome = (...all: (Parameters<typeof observed>[1] | undefined)[]) =>
    attemptsOf(
      told(
        build,
        all.map((one) => ({ rule: 'observed', input: observed('finished', one).data, at: same })),
      ),
    ).at(-1)?.outcome
  expect([outcome('success', 'failure'), outcome('failure', 'success'), outcome(undefined)]).toEqual(['failure', 'failure', 'neutral'])
})

test('the same notice again says nothing', () => {
  given(build, at('2026-01-01T00:01:00.000000Z', observed('started')))
    .tell('observed', observed('started').data, { at: '2026-01-01T00:01:00.000000Z' })
    .nothing()
})
