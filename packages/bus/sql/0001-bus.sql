-- The embedded bus: ordered partitions of records, as Kafka has them, in tables of their own schema.

create table bus.topic (
  number int generated always as identity primary key,
  name text not null unique,
  -- A topic deleted and made again is another one.
  id uuid not null default gen_random_uuid(),
  partitions int not null check (partitions > 0),
  retention_ms bigint not null default -1,
  max_bytes int not null default 1048588
);

-- The offsets' counter. Its row is locked until the records are committed, so offsets are gapless and in commit order;
-- a sequence would let a reader see n before n - 1.
create table bus.partition (
  topic int not null references bus.topic on delete cascade,
  partition int not null,
  first bigint not null default 0,
  next bigint not null default 0,
  primary key (topic, partition)
) with (fillfactor = 50);

create table bus.record (
  topic int not null,
  partition int not null,
  "offset" bigint not null,
  key text not null,
  value bytea,
  headers jsonb not null,
  at timestamptz not null,
  primary key (topic, partition, "offset")
);

create table bus.member (
  number int generated always as identity primary key,
  group_name text not null,
  topics text[] not null,
  seen_at timestamptz not null
);

-- Who reads a partition for a group. Where it reads is the reader's own business.
create table bus.lease (
  group_name text not null,
  topic int not null references bus.topic on delete cascade,
  partition int not null,
  member int not null references bus.member on delete cascade,
  primary key (group_name, topic, partition)
);

create index lease_member on bus.lease (member);

create function bus.create_topic(topic_name text, partition_count int, retention bigint) returns int
language plpgsql as $$
declare
  made int;
begin
  insert into bus.topic (name, partitions, retention_ms) values (topic_name, partition_count, retention)
  on conflict (name) do nothing
  returning number into made;
  if made is not null then
    insert into bus.partition (topic, partition) select made, n from generate_series(0, partition_count - 1) n;
  end if;
  return (select partitions from bus.topic where name = topic_name);
end
$$;

-- All or nothing; the offsets in the order of what was given.
create function bus.append(topics int[], partitions int[], keys text[], contents bytea[], headers jsonb[]) returns setof bigint
language plpgsql as $$
begin
  -- In one order for everybody, or two writers wait for each other.
  perform from bus.partition p
  where (p.topic, p.partition) in (select t, n from unnest(topics, partitions) g (t, n))
  order by p.topic, p.partition
  for update;

  return query
  with given as (
    select g.*, row_number() over (partition by g.topic, g.partition order by g.place) - 1 as step
    from unnest(topics, partitions, keys, contents, headers) with ordinality g (topic, partition, key, value, headers, place)
  ), counted as (
    select g.topic, g.partition, count(*) as records from given g group by 1, 2
  ), bumped as (
    update bus.partition p set next = p.next + c.records
    from counted c where p.topic = c.topic and p.partition = c.partition
    returning p.topic, p.partition, p.next - c.records as base
  ), placed as (
    select g.*, b.base + g.step as at_offset from given g join bumped b using (topic, partition)
  ), stored as (
    insert into bus.record (topic, partition, "offset", key, value, headers, at)
    select p.topic, p.partition, p.at_offset, p.key, p.value, p.headers, clock_timestamp() from placed p order by p.place
  )
  select p.at_offset from placed p order by p.place;
end
$$;

-- Deletes the records of a partition before an offset.
create function bus.delete_before(topic_number int, partition_number int, upto bigint) returns void
language plpgsql as $$
begin
  update bus.partition p set first = greatest(p.first, least(upto, p.next)) where p.topic = topic_number and p.partition = partition_number;
  delete from bus.record r where r.topic = topic_number and r.partition = partition_number and r."offset" < upto;
end
$$;

-- Deletes what is past its topic's retention, some thousands of records of each partition at a time; how many partitions had some.
create function bus.trim() returns int
language plpgsql as $$
declare
  one record;
  trimmed int := 0;
begin
  for one in
    select t.number as topic, p.partition, (
      select max(old."offset") + 1
      from (select r."offset", r.at from bus.record r where r.topic = p.topic and r.partition = p.partition order by r."offset" limit 5000) old
      where old.at < clock_timestamp() - make_interval(secs => t.retention_ms / 1000.0)
    ) as upto
    from bus.topic t join bus.partition p on p.topic = t.number
    where t.retention_ms >= 0
  loop
    if one.upto is not null then
      perform bus.delete_before(one.topic, one.partition, one.upto);
      trimmed := trimmed + 1;
    end if;
  end loop;
  return trimmed;
end
$$;

-- A member lives while its session holds the lock of its number and it says so from time to time:
-- the first ends at once when its process dies, the second when it only stands still.
create function bus.is_alive(member_number int, seen timestamptz) returns boolean
language sql stable as $$
  select seen > clock_timestamp() - interval '15 seconds' and exists (
    select from pg_locks l
    where l.locktype = 'advisory' and l.granted
      and l.database = (select d.oid from pg_database d where d.datname = current_database())
      and l.classid = 1380078931 and l.objid = member_number::oid and l.objsubid = 2
  )
$$;

-- Which member should read which partition: dealt out in order among those that subscribe to the topic.
create function bus.wanted(for_group text) returns table (topic int, partition int, member int)
language sql stable as $$
  select p.topic, p.partition, m.numbers[1 + (p.partition + p.topic) % cardinality(m.numbers)]
  from bus.partition p
  join bus.topic t on t.number = p.topic
  join lateral (select array_agg(g.number order by g.number) as numbers from bus.member g where g.group_name = for_group and t.name = any (g.topics)) m
    on m.numbers is not null
$$;

-- A sign of life of a member; removes the dead of its group and takes the free partitions that are meant for it.
-- What it holds now, and whether it is still meant for it. Nothing when it has itself been given up for dead.
create function bus.rebalance(me int) returns table (topic text, topic_number int, partition_number int, is_wanted boolean)
language plpgsql as $$
declare
  mine text := (select m.group_name from bus.member m where m.number = me);
begin
  -- Leases say nothing about records: losing the last ones with the machine loses nothing.
  perform set_config('synchronous_commit', 'off', true);
  perform pg_advisory_xact_lock(1380078932, hashtext(mine));
  update bus.member m set seen_at = clock_timestamp() where m.number = me;
  if not found then
    return;
  end if;
  delete from bus.member m where m.group_name = mine and m.number <> me and not bus.is_alive(m.number, m.seen_at);
  insert into bus.lease (group_name, topic, partition, member)
  select mine, w.topic, w.partition, me from bus.wanted(mine) w where w.member = me
  on conflict do nothing;
  return query
  select t.name, l.topic, l.partition, coalesce(w.member = me, false)
  from bus.lease l
  join bus.topic t on t.number = l.topic
  left join bus.wanted(mine) w on w.topic = l.topic and w.partition = l.partition
  where l.member = me
  order by 1, 3;
end
$$;
