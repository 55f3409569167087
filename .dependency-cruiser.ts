// Who may import whom. The table is proven to bite in test/tidy/dependencies.test.ts.
import type { DependencyType, ICruiseOptions, IForbiddenRuleType, IResolveOptions } from 'dependency-cruiser'

const tests = '\\.test\\.ts$'
/** A service's files that are not its domain: the edge, the tables that name it, its read models. */
const edges = '(^|/)(main|config|service|rpc)\\.ts$'
/** Services without streams of their own. */
const streamless = '^services/(gateway|all-in-one|console)/'
const domain = { path: '^services/[^/]+/src/[^/]+\\.ts$', pathNot: [tests, edges, streamless] }
const streams = { path: domain.path, pathNot: [...domain.pathNot, '/reactions\\.ts$'] }
const adapters = { path: '^services/gateway/src/adapters/', pathNot: tests }
const io: DependencyType[] = ['core', 'npm', 'npm-dev', 'npm-optional', 'npm-peer', 'npm-bundled', 'npm-no-pkg']
/** What computes and does nothing else. */
const computing = [
  '^(node:)?crypto$',
  'node_modules/@noble/hashes/',
  ...['zod', 'yaml', 'fraction.js', '@noble', '@stdlib', 'saxes', 'lossless-json', 'packageurl-js', 'protobufjs'].map(
    (name) => `node_modules/${name}/`,
  ),
]

const pure = (name: string, from: { path: string; pathNot: string | string[] }): IForbiddenRuleType => ({
  name,
  comment: 'Streams, reactions and adapters are pure: time, ids and persons come in as data; files, sockets and drivers stay outside.',
  severity: 'error',
  from,
  to: { dependencyTypes: io, pathNot: computing },
})

const forbidden: IForbiddenRuleType[] = [
  {
    name: 'kernel-does-no-io',
    comment: 'The kernel computes: no node: module, no library but zod, no other package of Rondo.',
    severity: 'error',
    from: { path: '^packages/kernel/src/', pathNot: tests },
    to: { pathNot: ['^packages/kernel/', 'node_modules/zod/'] },
  },
  {
    name: 'reactions-know-the-kernel-only',
    comment: 'Reads, views and reactions are shapes: the ledger fills them, services write them.',
    severity: 'error',
    from: { path: '^packages/reaction/src/', pathNot: tests },
    to: { pathNot: ['^packages/reaction/', '^packages/kernel/'] },
  },
  {
    name: 'contracts-do-no-io',
    comment: 'The published language is schemas: whoever reads it gets no driver with it.',
    severity: 'error',
    from: { path: '^packages/contracts/src/', pathNot: [tests, '/(bin|generate)[^/]*'] },
    to: { dependencyTypes: io, pathNot: computing },
  },
  pure('domain-does-no-io', domain),
  pure('adapters-do-no-io', adapters),
  {
    name: 'streams-stay-off-the-edge',
    comment: 'A stream knows the kernel and the contracts. What runs it is not its business, directly or by way of others.',
    severity: 'error',
    from: streams,
    to: { path: '^packages/(ledger|bus|runtime|testkit|cli)/', reachable: true },
  },
  {
    name: 'services-never-import-services',
    comment: 'A fact carries what its readers need. Only all-in-one, which puts them into one process, imports services.',
    severity: 'error',
    from: { path: '^services/([^/]+)/', pathNot: '^services/all-in-one/' },
    to: { path: '^services/', pathNot: '^services/$1/' },
  },
  {
    name: 'packages-never-import-services',
    severity: 'error',
    from: { path: '^packages/' },
    to: { path: '^services/' },
  },
  {
    name: 'others-only-by-their-exports',
    comment: 'Import a package by its name: what its package.json does not export is its own.',
    severity: 'error',
    from: { path: '^(packages/[^/]+|services/[^/]+|test|scripts)/' },
    to: { path: '^(packages|services)/', pathNot: '^$1/', dependencyTypes: ['local', 'localmodule'] },
  },
  {
    name: 'no-test-code-in-production',
    severity: 'error',
    from: {
      path: '^(packages|services)/[^/]+/src/',
      pathNot: [tests, '^packages/[^/]+/src/conformance', '^packages/runtime/src/rig', '^packages/testkit/'],
    },
    to: { path: ['^packages/testkit/', tests, '^test/'] },
  },
  {
    name: 'no-cycles',
    comment: 'Files that need each other to run are one file in two places. (Types may refer to each other.)',
    severity: 'error',
    from: {},
    to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
  },
  {
    name: 'everything-resolves',
    comment: 'An import that cannot be followed is an import no rule was applied to.',
    severity: 'error',
    from: {},
    to: { couldNotResolve: true },
  },
  {
    name: 'declared-dependencies-only',
    comment: 'What a package imports stands in its own package.json.',
    severity: 'error',
    from: { path: '^(packages|services)/' },
    to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown'] },
  },
]

const options: ICruiseOptions = {
  doNotFollow: { path: 'node_modules' },
  exclude: { path: '^(packages|services)/[^/]+/dist/' },
  tsPreCompilationDeps: true,
  tsConfig: { fileName: 'tsconfig.json' },
  combinedDependencies: true,
}

const resolving: Partial<IResolveOptions> = {
  exportsFields: ['exports'],
  conditionNames: ['development', 'import', 'node', 'default', 'types'],
  extensions: ['.ts', '.mjs', '.js', '.json', '.d.ts'],
}

export default { forbidden, options, resolving }
