import { asyncApi, jsonSchemas, referencePage } from './catalog.ts'

const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`

/** The files of docs/reference that follow from the contracts. */
export const generated = (): Readonly<Record<string, string>> => ({
  'events.schema.json': json(jsonSchemas()),
  'asyncapi.json': json(asyncApi()),
  'events.md': referencePage(),
})
