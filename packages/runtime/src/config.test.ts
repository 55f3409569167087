import { expect, test } from 'vitest'
import { ConfigError, readConfig, variablesTable } from './config.ts'
import { variables } from './variables.ts'

test('without any variable the defaults hold', () => {
  expect(readConfig({})).toMatchObject({
    httpPort: 8686,
    grpcPort: 8687,
    listenHost: '127.0.0.1',
    logLevel: 'info',
    partitions: 4,
    serviceAddresses: {},
    warnings: [],
  })
  expect(readConfig({ RONDO_KAFKA_BROKERS: '' }).kafkaBrokers).toBeUndefined()
})

test('values are read by type and by service', () => {
  const config = readConfig({
    RONDO_KAFKA_BROKERS: 'a:9092, b:9093',
    RONDO_BUILDS_ADDRESS: 'builds:8687',
    RONDO_GATEWAY_DATABASE_URL: 'postgres://g:secret@db:5432/rondo',
    RONDO_HTTP_PORT: '0',
  })
  expect(config).toMatchObject({
    kafkaBrokers: ['a:9092', 'b:9093'],
    httpPort: 0,
    serviceAddresses: { builds: 'builds:8687' },
    serviceDatabaseUrls: { gateway: 'postgres://g:secret@db:5432/rondo' },
  })
})

test('all that is wrong is named at once, with what was expected and without secrets', () => {
  const wrong = {
    RONDO_HTTP_PORT: '80a',
    RONDO_DATABASE_URL: 'mysql://u:hush@db/x',
    RONDO_KAFKA_BROKERS: 'kafka',
    RONDO_GITHUB_WEBHOOK_SECRET: 'hush',
    RONDO_BUILDS_ADDRESS: 'nowhere',
  }
  const read = () => readConfig(wrong)
  expect(read).toThrow(ConfigError)
  expect(read).toThrow('RONDO_HTTP_PORT is "80a": expected a port, 0 to 65535')
  expect(read).toThrow('RONDO_DATABASE_URL is "mysql://…@db/x": expected postgres://user:password@host:port/database')
  expect(read).toThrow('RONDO_KAFKA_BROKERS is "kafka": expected host:port[,host:port …]')
  expect(read).toThrow('RONDO_GITHUB_WEBHOOK_SECRET is something else (not shown): expected a text of at least 8 characters')
  expect(read).toThrow('RONDO_BUILDS_ADDRESS is "nowhere": expected host:port')
  expect(read).not.toThrow('hush')
})

test('an unknown variable of Rondo is named', () => {
  expect(readConfig({ RONDO_HTTPPORT: '1', RONDO_X: 'y', HOME: '/' }).warnings).toEqual([
    'RONDO_HTTPPORT is no variable of Rondo and has no effect; is RONDO_HTTP_PORT meant?',
    'RONDO_X is no variable of Rondo and has no effect',
  ])
})

test('the table has a row for each variable, and the stated defaults are the real ones', () => {
  const table = variablesTable()
  const defaults = readConfig({})
  for (const [key, { name, fallback }] of Object.entries(variables)) {
    expect(table).toContain(`| \`${name}\` |`)
    const value = defaults[key as keyof typeof variables]
    if (value !== undefined) expect(fallback).toBe(String(value))
  }
})
