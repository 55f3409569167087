-- Writes one batch, or raises RL001 with what was lost to other writers (then nothing is written), or RL002 where a newer
-- version of the service has taken over. One call is one statement: without projections it is the whole transaction.
-- Order of locks: heads of streams by their key, then the head row, then everything else. Two writers can so not deadlock,
-- and all below the head row needs no thought about others.
create function append(streams jsonb, events jsonb, derived jsonb, intake jsonb) returns jsonb
  language plpgsql
  -- Plans are kept, and one made while a table was small would read it as a whole when it is not (version 15 would then compile it, too).
  set enable_seqscan = off
  set jit = off
  set plan_cache_mode = force_generic_plan
as $$
declare
  -- Outcomes of others that this batch was decided without.
  lost jsonb;
  lost_streams jsonb;
  lost_messages jsonb;
  lost_checkpoints jsonb;
  lost_keys jsonb;
  lost_timers jsonb;
  before head;
  now_at text;
begin
  if streams is not null then
    with expected as (
      select * from jsonb_to_recordset(streams) as _(stream text, id text, base int, version int, fold int, state jsonb, phase text, first_at text, last_at text)
    ), won as (
      insert into stream (stream, id, version, base, fold, state, phase, first_at, last_at)
      select stream, id, version, base, fold, state, phase, first_at, last_at from expected order by (stream || '/' || id) collate "C"
      on conflict (key) do update
        set (version, base, fold, state, phase, last_at) = (excluded.version, excluded.base, excluded.fold, excluded.state, excluded.phase, excluded.last_at)
        where stream.version = excluded.base and stream.fold <= excluded.fold
      returning stream.stream, stream.id
    )
    select jsonb_agg(jsonb_build_array(stream, id)) into lost_streams
    from expected where not exists (select from won where (won.stream, won.id) = (expected.stream, expected.id));
  end if;

  select * into strict before from head for update;
  now_at := instant(clock_timestamp());

  if cardinality(before.tails) <> (derived->'partitions')::int then
    raise exception 'the partition plan has changed' using errcode = 'RL003';
  end if;
  -- Equal in the normal case; lower than ours while our fold is being made complete.
  if not before.folds @> (derived->'folds') and exists (
    select from jsonb_each(derived->'folds') where (before.folds->key)::int > value::int
  ) then
    raise exception 'a newer version of this service has taken over' using errcode = 'RL002';
  end if;

  if intake->'messages' is not null then
    with mine as (
      select * from jsonb_to_recordset(intake->'messages') as _(id text, hash text, days int, outcome jsonb)
    ), stored as (
      insert into message (id, hash, at, keep_until, outcome)
      select id, hash, now_at, instant(clock_timestamp() + make_interval(days => days)), outcome from mine
      on conflict (id) do nothing
      returning id
    )
    select jsonb_agg(id) into lost_messages from mine where id not in (select id from stored);
  end if;

  if intake->'checkpoints' is not null then
    select jsonb_agg(jsonb_build_array(source, partition)) into lost_checkpoints
    from jsonb_to_recordset(intake->'checkpoints') as mine(source text, partition int, previous bigint)
    left join checkpoint using (source, partition)
    where mine.previous is distinct from checkpoint.position;
    insert into checkpoint (source, partition, position, next_offset, moved_at)
    select source, partition, position, next_offset, now_at
    from jsonb_to_recordset(intake->'checkpoints') as _(source text, partition int, position bigint, next_offset numeric)
    on conflict (source, partition) do update
      set (position, next_offset, moved_at) = (excluded.position, excluded.next_offset, excluded.moved_at);
  end if;

  if intake->'counted' is not null then
    update message set duplicates = message.duplicates + mine.duplicates, conflicts = message.conflicts + mine.conflicts
    from jsonb_to_recordset(intake->'counted') as mine(id text, duplicates int, conflicts int) where message.id = mine.id;
  end if;

  if intake->'fired' is not null then
    with mine as (
      select * from jsonb_to_recordset(intake->'fired') as _(stream text, stream_id text, tell text, due text)
    ), fired as (
      update timer set fired_at = now_at from mine
      where (timer.stream, timer.stream_id, timer.tell, timer.due) = (mine.stream, mine.stream_id, mine.tell, mine.due) and fired_at is null
      returning timer.*
    )
    select jsonb_agg(jsonb_build_array(stream, stream_id, tell, due)) into lost_timers
    from mine where not exists (select from fired where (fired.stream, fired.stream_id, fired.tell, fired.due) = (mine.stream, mine.stream_id, mine.tell, mine.due));
  end if;

  if derived->'keys_gone' is not null then
    delete from stream_key using jsonb_to_recordset(derived->'keys_gone') as mine(stream text, name text, value text, id text)
    where (stream_key.stream, stream_key.name, stream_key.value, stream_key.id) = (mine.stream, mine.name, mine.value, mine.id);
  end if;
  if derived->'keys' is not null then
    with mine as (
      select * from jsonb_to_recordset(derived->'keys') as _(stream text, name text, value text, id text, is_unique boolean)
    )
    select jsonb_agg(jsonb_build_array(mine.stream, mine.name, mine.value, held.id)) into lost_keys
    from mine join stream_key held on (held.stream, held.name, held.value) = (mine.stream, mine.name, mine.value)
    where mine.is_unique and held.is_unique and held.id <> mine.id;
    if lost_keys is null then
      insert into stream_key (stream, name, value, id, is_unique)
      select stream, name, value, id, is_unique
      from jsonb_to_recordset(derived->'keys') as _(stream text, name text, value text, id text, is_unique boolean)
      on conflict (stream, name, value, id) do nothing;
    end if;
  end if;

  lost := jsonb_strip_nulls(jsonb_build_object('streams', lost_streams, 'messages', lost_messages, 'checkpoints', lost_checkpoints,
    'keys', lost_keys, 'timers', lost_timers));
  if lost <> '{}' then
    raise exception 'lost to another writer' using errcode = 'RL001', detail = lost::text;
  end if;

  if derived->'timers_gone' is not null then
    delete from timer using jsonb_to_recordset(derived->'timers_gone') as mine(stream text, stream_id text, tell text, due text)
    where (timer.stream, timer.stream_id, timer.tell, timer.due) = (mine.stream, mine.stream_id, mine.tell, mine.due);
  end if;
  if derived->'timers' is not null then
    insert into timer (stream, stream_id, tell, due)
    select stream, stream_id, tell, due from jsonb_to_recordset(derived->'timers') as _(stream text, stream_id text, tell text, due text)
    on conflict do nothing;
  end if;
  if derived->'loops' is not null then
    insert into loop (loop_id, stream, stream_id)
    select loop_id, stream, stream_id from jsonb_to_recordset(derived->'loops') as _(loop_id text, stream text, stream_id text)
    on conflict do nothing;
  end if;

  if events is not null then
    perform insert_events(events, before, now_at);
  end if;
  return jsonb_build_object('position', before.position, 'recordedAt', now_at);
end
$$;

-- Called with the head row locked: gives the events their positions and what stands before them in their partitions.
create function insert_events(events jsonb, before head, now_at text) returns void
  language plpgsql
as $$
begin
  with placed as (
    insert into event (position, id, stream, stream_id, version, partition, previous, type, schema_version, data, occurred_at, recorded_at,
      actor, correlation_id, causation_id, traceparent, loop_ids)
    select before.position + n, id, stream, stream_id, version, partition,
      coalesce(before.position + lag(n) over (partition by partition order by n), before.tails[partition + 1]),
      type, schema_version, data, occurred_at, now_at, actor, correlation_id, causation_id, traceparent, loop_ids
    from jsonb_to_recordset(events) as _(n int, id uuid, stream text, stream_id text, version int, partition int, type text,
      schema_version int, data jsonb, occurred_at text, actor text, correlation_id text, causation_id text, traceparent text, loop_ids text[])
    returning position, partition
  ), last as (
    select partition, max(position) as position from placed group by partition
  )
  update head set
    position = (select max(position) from last),
    tails = (
      select array_agg(coalesce(last.position, tail) order by n)
      from unnest(before.tails) with ordinality as plan(tail, n) left join last on last.partition + 1 = n
    );
end
$$;
