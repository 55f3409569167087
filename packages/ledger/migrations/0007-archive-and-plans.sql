-- Events of closed streams that were taken out of the ledger and lie in files. The stream itself stays: its state, keys and version.
create table archive_file (
  number integer primary key,
  name text collate "C" not null unique,
  -- Of the file, and of the lines in it.
  sha256 text not null,
  content_sha256 text not null,
  bytes bigint not null,
  streams integer not null,
  events integer not null,
  first_position bigint not null,
  last_position bigint not null,
  at text not null,
  actor text not null,
  -- Its events lie in the ledger again.
  restored_at text,
  restored_by text
);
create index archive_file_by_end on archive_file (last_position);

create table archived_stream (
  key text collate "C" not null,
  -- All events up to this version, from where the file before it ends, lie in the file.
  version integer not null,
  number integer not null references archive_file,
  primary key (key, version)
);
create index archived_stream_by_file on archived_stream (number);

-- Whole partitions of positions, all of which were archived: their space is free at once. Only the owner may do so, thus in the owner's name.
-- Never the partition that is written, nor the one after it. Nobody waits long for it: what is in use stays for the next time.
create function drop_empty_partitions() returns integer
  language plpgsql security definer
  set search_path from current
  set lock_timeout = '2s'
as $$
declare
  part record;
  filled boolean;
  dropped integer := 0;
begin
  for part in
    select c.oid::regclass as name, (regexp_match(pg_get_expr(c.relpartbound, c.oid), 'TO \(''(\d+)''\)'))[1]::bigint as upper
    from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = 'event'::regclass
  loop
    continue when part.upper is null or part.upper > (select position from head);
    begin
      execute format('select exists (select from %s)', part.name) into filled;
      continue when filled;
      -- Who brings archived events back waits here; and whoever came before has filled it
      execute format('lock table event, %s in access exclusive mode', part.name);
      execute format('select exists (select from %s)', part.name) into filled;
      continue when filled;
      execute format('drop table %s', part.name);
      dropped := dropped + 1;
    exception when lock_not_available then
      raise notice '% is in use', part.name;
    end;
  end loop;
  return dropped;
end
$$;

-- Each change of the number of partitions. A stream may lie in another partition from then on, so whoever reads has to have read all of the
-- plan before.
create table plan (
  -- The last position that was placed by the plan before.
  start bigint primary key,
  -- The last position in each partition of the plan before.
  tails bigint[] not null,
  at text not null
);

-- With the head row locked nobody appends; who was decided by the plan before is refused by its count, and decided again.
create function grow(partitions integer) returns integer
  language plpgsql
as $$
declare
  before head;
begin
  select * into strict before from head for update;
  if cardinality(before.tails) < partitions then
    insert into plan values (before.position, before.tails, instant(clock_timestamp())) on conflict do nothing;
    update head set tails = before.tails || array_fill(0::bigint, array[partitions - cardinality(before.tails)]);
  end if;
  return cardinality(before.tails);
end
$$;
