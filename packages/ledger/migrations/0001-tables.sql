-- The tables of one service's ledger. Runs in the service's own schema (search_path holds nothing else).
-- Moments are text: UTC with six decimals. At a fixed width the order of the text is the order of time, and a page token
-- made of one is exact, which one made of a JavaScript Date is not. Everything compared is compared by bytes ("C").

create function instant(moment timestamptz) returns text
  language sql immutable parallel safe
  return to_char(moment at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');

-- One row, bumped once for each batch and last of all locks: so positions are gapless and in commit order.
create table head (
  single boolean primary key default true check (single),
  position bigint not null default 0,
  -- Raised by a restore of an older backup, and by nothing else.
  epoch integer not null default 1,
  -- The last position in each partition; its length is the partition plan. Empty until the ledger is opened for the first time.
  tails bigint[] not null default '{}',
  -- By kind of stream: nobody writes with a lower fold than this.
  folds jsonb not null default '{}'
) with (fillfactor = 10);
insert into head default values;

create table stream (
  -- What a stream is looked up by: only the primary key can serve that, so that no plan made while the table was empty
  -- (all indexes look alike then, and plans are kept) reads a whole kind of streams for each one.
  key text collate "C" primary key generated always as (stream || '/' || id) stored,
  stream text collate "C" not null,
  id text collate "C" not null,
  version integer not null,
  -- The version that the last writer expected: what makes the upsert a compare-and-set.
  base integer not null,
  fold integer not null,
  state jsonb not null,
  phase text collate "C",
  -- Of the fact with version 1: never changes, so that lists can be paged by it.
  first_at text collate "C" not null,
  -- The latest of all.
  last_at text collate "C" not null
) with (fillfactor = 80);
create index stream_by_time on stream (stream, first_at, id);
create index stream_by_phase on stream (stream, phase, first_at, id);

create table stream_key (
  stream text collate "C" not null,
  name text collate "C" not null,
  value text collate "C" not null,
  id text collate "C" not null,
  is_unique boolean not null,
  primary key (stream, name, value, id)
);
create unique index stream_key_held_once on stream_key (stream, name, value) where is_unique;
create index stream_key_by_id on stream_key (stream, id);

-- Every stream that ever carried a loop id.
create table loop (
  loop_id text collate "C" not null,
  stream text collate "C" not null,
  stream_id text collate "C" not null,
  primary key (loop_id, stream, stream_id)
);

create table timer (
  stream text collate "C" not null,
  stream_id text collate "C" not null,
  tell text collate "C" not null,
  due text collate "C" not null,
  -- Kept while the state derives it, so that a rebuild does not fire it again.
  fired_at text collate "C",
  primary key (stream, stream_id, tell, due)
);
create index timer_waiting on timer (due) where fired_at is null;

create table event (
  position bigint not null,
  id uuid not null,
  stream text collate "C" not null,
  stream_id text collate "C" not null,
  version integer not null,
  partition integer not null,
  -- The position before it in its partition; 0: none.
  previous bigint not null,
  type text collate "C" not null,
  schema_version integer not null,
  data jsonb not null,
  occurred_at text collate "C" not null,
  recorded_at text collate "C" not null,
  actor text not null,
  correlation_id text not null,
  causation_id text not null,
  traceparent text,
  loop_ids text[] not null,
  primary key (position)
) partition by range (position);
-- Catches what no partition was made for in time; empty in the normal case.
create table event_rest partition of event default;
create index event_by_stream on event (stream, stream_id, version);
create index event_by_type on event (type, position);

create table message (
  id text collate "C" primary key,
  hash text not null,
  at text collate "C" not null,
  keep_until text collate "C" not null,
  duplicates integer not null default 0,
  conflicts integer not null default 0,
  -- {"results": [{"streamId", "version"}]} or {"refused": {"code", "message", "details"}}
  outcome jsonb not null
) with (fillfactor = 90);
create index message_by_end on message (keep_until);

create table checkpoint (
  source text collate "C" not null,
  partition integer not null,
  position bigint not null,
  next_offset numeric not null,
  moved_at text not null,
  primary key (source, partition)
) with (fillfactor = 20);

create table parked_key (
  source text collate "C" not null,
  partition integer not null,
  key text collate "C" not null,
  reason text not null,
  since text not null,
  primary key (source, partition, key)
);

create table parked_record (
  source text collate "C" not null,
  partition integer not null,
  key text collate "C" not null,
  position bigint not null,
  event jsonb not null,
  primary key (source, partition, key, position),
  foreign key (source, partition, key) references parked_key on delete cascade
);

-- What an operator did with a parked record.
create table parked_decision (
  number bigint generated always as identity primary key,
  at text not null,
  actor text not null,
  decision text not null check (decision in ('applied', 'skipped')),
  why text not null,
  source text not null,
  partition integer not null,
  key text not null,
  position bigint not null,
  event_id text not null
);

create table relay (
  topic text collate "C" primary key,
  -- Everything up to here has been sent.
  position bigint not null,
  holder text,
  held_until timestamptz
) with (fillfactor = 20);

create table view_version (
  view text collate "C" primary key,
  version integer not null
);
