import type { FactTable, FactType } from '@rondo/kernel'
import { z } from 'zod'
import * as builds from './builds.ts'
import * as feedback from './feedback.ts'
import * as gateway from './gateway.ts'
import * as intake from './intake.ts'
import * as operations from './operations.ts'
import * as releases from './releases.ts'
import * as requirements from './requirements.ts'

const modules = { intake, requirements, builds, releases, operations, feedback, gateway } as const

const isFact = (value: unknown): value is FactType => typeof value === 'function' && 'type' in value && 'schema' in value
const isTable = (value: unknown): value is FactTable =>
  value !== null && typeof value === 'object' && Object.values(value).length > 0 && Object.values(value).every(isFact)

/** Every fact of the published language, by the service that produces it. */
export const catalog: readonly { readonly service: string; readonly facts: readonly FactType[] }[] = Object.entries(modules).map(
  ([service, module]) => ({
    service,
    facts: Object.values(module as Readonly<Record<string, unknown>>)
      .filter(isTable)
      .flatMap((table) => Object.values(table))
      .sort((a, b) => (a.type < b.type ? -1 : 1)),
  }),
)

const schemaOf = (fact: FactType) => z.toJSONSchema(fact.schema, { target: 'draft-7', unrepresentable: 'any' })

/** One JSON Schema per event type; `personal: true` marks what tells of a person. */
export const jsonSchemas = (): Readonly<Record<string, unknown>> =>
  Object.fromEntries(catalog.flatMap(({ facts }) => facts.map((fact) => [fact.type, schemaOf(fact)])))

/** AsyncAPI 3.0: a channel for each topic, a message for each event type. */
export function asyncApi(): unknown {
  const channels = catalog.map(({ service, facts }) => [
    service,
    {
      address: `rondo.${service}.v1`,
      description:
        service === 'intake'
          ? 'What was observed outside; key: the event id, made of (source, id).'
          : `Facts of ${service}, in the order of its ledger within a partition; key: stream/id.`,
      messages: Object.fromEntries(facts.map(({ type }) => [type, { $ref: `#/components/messages/${type}` }])),
    },
  ])
  const messages = catalog.flatMap(({ facts }) =>
    facts.map((fact) => [
      fact.type,
      {
        name: fact.type,
        contentType: 'application/json',
        bindings: { kafka: { bindingVersion: '0.5.0' } },
        headers: { $ref: '#/components/schemas/cloudevent' },
        payload: schemaOf(fact),
      },
    ]),
  )
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Rondo',
      version: '1.0.0',
      description: 'CloudEvents 1.0 in the Kafka binding, binary mode: attributes are headers ce_…, the value is the fact as JSON.',
    },
    channels: Object.fromEntries(channels),
    operations: Object.fromEntries(
      catalog.map(({ service }) => [`${service}Facts`, { action: 'send', channel: { $ref: `#/channels/${service}` } }]),
    ),
    components: {
      messages: Object.fromEntries(messages),
      schemas: {
        cloudevent: {
          type: 'object',
          required: ['ce_specversion', 'ce_id', 'ce_source', 'ce_type', 'ce_time'],
          properties: Object.fromEntries(
            [
              'specversion',
              'id',
              'source',
              'type',
              'subject',
              'time',
              'actor',
              'correlationid',
              'causationid',
              'traceparent',
              'loopids',
            ].map((name) => [`ce_${name}`, { type: 'string' }]),
          ),
        },
      },
    },
  }
}

const fieldsOf = (fact: FactType): string => {
  const { properties = {}, required = [] } = schemaOf(fact) as { properties?: Record<string, { personal?: boolean }>; required?: string[] }
  return Object.entries(properties)
    .map(([name, { personal }]) => `\`${name}\`${required.includes(name) ? '' : '?'}${personal ? ' (personal)' : ''}`)
    .join(', ')
}

/** The reference page of all events. */
export function referencePage(): string {
  const sections = catalog.map(
    ({ service, facts }) =>
      `## rondo.${service}.v1\n\n| event | fields |\n|---|---|\n${facts.map((fact) => `| \`${fact.type}\` | ${fieldsOf(fact)} |`).join('\n')}\n`,
  )
  return `# Events\n\nGenerated from packages/contracts by \`pnpm reference\`; the schemas are in events.schema.json and asyncapi.json.\n\n${sections.join('\n')}`
}
