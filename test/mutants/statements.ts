import type { Mutant } from './mutant.ts'

const ledger = 'packages/ledger/src'
const sql = 'packages/ledger/migrations/0006-columns.sql'
const store = `${ledger}/store.int.test.ts`
const concurrency = `${ledger}/concurrency.int.test.ts`

/** What PostgreSQL compares: the model of it is not the one that is shipped. */
export const statements: readonly Mutant[] = [
  {
    name: 'SQL: compare and set of a stream’s version',
    file: sql,
    find: 'where stream.version = excluded.base and stream.fold <= excluded.fold',
    replace: 'where stream.fold <= excluded.fold',
    test: [store, 'neither loses what the other writes'],
    simulated: false,
  },
  {
    name: 'SQL: nobody writes with a lower fold',
    file: sql,
    find: "raise exception 'a newer version of this service has taken over' using errcode = 'RL002';",
    replace: 'null;',
    test: [`${ledger}/state.int.test.ts`, 'a fold raised while old processes still write'],
    simulated: false,
  },
  {
    name: 'SQL: streams are locked in the order of their keys',
    file: sql,
    find: 'from expected order by (stream || \'/\' || id) collate "C"',
    replace: 'from expected',
    test: [concurrency, 'lock the same streams in another order'],
    simulated: false,
  },
  {
    name: 'SQL: new streams are written in the order of their keys',
    file: sql,
    find: 'where base = 0 order by (stream || \'/\' || id) collate "C"',
    replace: 'where base = 0',
    test: [concurrency, 'make the same streams in opposite orders'],
    simulated: false,
  },
  {
    name: 'SQL: message ids are written in their order',
    file: sql,
    find: 'as mine(id, hash, days, outcome) order by id collate "C"',
    replace: 'as mine(id, hash, days, outcome)',
    test: [concurrency, 'carry the same ids in opposite orders'],
    simulated: false,
  },
  {
    name: 'SQL: the head row is locked before positions are given',
    file: sql,
    find: 'from head for update',
    replace: 'from head',
    test: [store, 'positions stay gapless while two'],
    simulated: false,
  },
  {
    name: 'SQL: a message id that is there already is lost',
    file: sql,
    find: '    select jsonb_agg(message.id) into lost_messages from message where message.id = any(m_id);\n    if lost_streams is null and lost_messages is null then',
    replace: '    if false then',
    test: [store, 'one message that each decides'],
    simulated: false,
  },
  {
    name: 'SQL: a new stream that is there already is lost',
    file: sql,
    find: "join stream on stream.key = mine.stream || '/' || mine.id where mine.base = 0;",
    replace: 'where false;',
    test: [store, 'neither loses what the other writes'],
    simulated: false,
  },
  {
    name: 'SQL: a checkpoint that has moved is lost',
    file: sql,
    find: 'where mine.previous is distinct from checkpoint.position;',
    replace: 'where false;',
    test: [store, 'one record that each decides'],
    simulated: false,
  },
  {
    name: 'SQL: a unique key that another stream holds is lost',
    file: sql,
    find: 'where mine.is_unique and held.is_unique and held.id <> mine.id;',
    replace: 'where false;',
    test: [store, 'a unique key is held once'],
    simulated: false,
  },
  {
    name: 'SQL: the index on unique keys',
    file: 'packages/ledger/migrations/0001-tables.sql',
    find: 'create unique index stream_key_held_once',
    replace: 'create index stream_key_held_once',
    test: [`${ledger}/migration.int.test.ts`, 'the schema is as committed'],
    simulated: false,
  },
  {
    name: 'SQL: keys of before have their place in lists before a ledger is open',
    file: `${ledger}/postgres/store.ts`,
    find: '      await orderKeys(schema)\n',
    replace: '',
    test: [`${ledger}/upgrade.int.test.ts`, 'is listed by its keys'],
    simulated: false,
  },
  {
    name: 'SQL: what stands before an event in its partition',
    file: sql,
    find: 'case when earlier > 0 then before.position + earlier else before.tails[partition + 1] end',
    replace: 'before.position',
    test: [concurrency, 'previous is the position before'],
    simulated: false,
  },
]
