-- What comes alone (one stream, one event, one message id at the most) is written by a function that takes values where the one for many
-- takes columns: most of what it cost was reading 31 arrays, and putting together the expressions that take them apart. What either rests on,
-- and what follows from it, is compared and written by a third.

create function append_rest(
  -- How the head row stood, which is locked; lost already: streams, messages.
  before_position bigint, before_recorded_at text, before_repaired int, now_at text, lost jsonb, derived jsonb, intake jsonb
) returns void
  language plpgsql
as $$
declare
  lost_streams jsonb := lost->'streams';
  lost_checkpoints jsonb;
  lost_keys jsonb;
  lost_timers jsonb;
  moved jsonb;
  due_tell record;
begin
  -- Mostly nobody else has written since. Else what was seen last has to lie there still (a value and no "exists", which would be made of all events)
  if derived->'guess'->'seen' <@ jsonb_build_array(jsonb_build_object('position', before_position, 'recordedAt', before_recorded_at, 'repaired', before_repaired)) is false then
    if exists (
      select from jsonb_to_recordset(derived->'guess'->'seen') as mine(position bigint, "recordedAt" text, repaired int)
      where mine.repaired <> before_repaired
        or (mine.position, mine."recordedAt") is distinct from (before_position, before_recorded_at)
          and (select event.recorded_at from event where event.position = mine.position) is distinct from mine."recordedAt"
    ) then
      raise exception 'the ledger is not the one that was read' using errcode = 'RL001', detail = '{}';
    end if;
  end if;
  -- All keys are written with the head row locked, and those of this batch below
  if derived->'guess'->'held' is not null then
    if exists (
      select from jsonb_to_recordset(derived->'guess'->'held') as mine(stream text, name text, value text, ids jsonb)
      where mine.ids <> coalesce((
        select jsonb_agg(held.id order by held.id) from stream_key held
        where (held.stream, held.name, held.value) = (mine.stream, mine.name, mine.value)
      ), '[]')
    ) then
      raise exception 'who holds a value was guessed wrongly' using errcode = 'RL001', detail = '{}';
    end if;
  end if;
  -- What was looked at and is not written: with the head row locked nobody else is writing it
  if derived->'guess'->'read' is not null then
    select nullif(coalesce(lost_streams, '[]') || coalesce(jsonb_agg(jsonb_build_array(mine.stream, mine.id)), '[]'), '[]') into lost_streams
    from jsonb_to_recordset(derived->'guess'->'read') as mine(stream text, id text, version int, fold int)
    where not coalesce(
      (select stream.version = mine.version and stream.fold <= mine.fold from stream where stream.key = mine.stream || '/' || mine.id), mine.version = 0
    );
  end if;

  if intake is not null then
    if intake->'checkpoints' is not null then
      if jsonb_array_length(intake->'checkpoints') = 1 then
        moved := intake->'checkpoints'->0;
        update checkpoint set (position, next_offset, moved_at) = row ((moved->>'position')::bigint, (moved->>'next_offset')::numeric, now_at)
        where source = moved->>'source' and partition = (moved->>'partition')::int and position = (moved->>'previous')::bigint;
        if not found and moved->>'previous' is null then
          insert into checkpoint (source, partition, position, next_offset, moved_at)
          values (moved->>'source', (moved->>'partition')::int, (moved->>'position')::bigint, (moved->>'next_offset')::numeric, now_at)
          on conflict do nothing;
        end if;
        if not found then lost_checkpoints := jsonb_build_array(jsonb_build_array(moved->'source', moved->'partition')); end if;
      else
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
    end if;

    if intake->'counted' is not null then
      update message set duplicates = message.duplicates + mine.duplicates, conflicts = message.conflicts + mine.conflicts
      from jsonb_to_recordset(intake->'counted') as mine(id text, duplicates int, conflicts int) where message.id = mine.id;
    end if;

    if intake->'fired' is not null then
      for due_tell in select * from jsonb_to_recordset(intake->'fired') as _(stream text, stream_id text, tell text, due text) loop
        -- Not "is null": the index of those that wait would be read for all that are due at one moment
        update timer set fired_at = now_at
        where (timer.stream, timer.stream_id, timer.tell, timer.due) = (due_tell.stream, due_tell.stream_id, due_tell.tell, due_tell.due) and coalesce(fired_at, '') = '';
        if not found then
          lost_timers := coalesce(lost_timers, '[]') || jsonb_build_array(jsonb_build_array(due_tell.stream, due_tell.stream_id, due_tell.tell, due_tell.due));
        end if;
      end loop;
    end if;
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
      insert into stream_key (stream, name, value, id, is_unique, first_at)
      select stream, name, value, id, is_unique, first_at
      from jsonb_to_recordset(derived->'keys') as _(stream text, name text, value text, id text, is_unique boolean, first_at text)
      on conflict (stream, name, value, id) do nothing;
    end if;
  end if;

  if lost_streams is not null or lost->'messages' is not null or lost_checkpoints is not null or lost_keys is not null or lost_timers is not null then
    lost := jsonb_strip_nulls(jsonb_build_object('streams', lost_streams, 'messages', lost->'messages', 'checkpoints', lost_checkpoints,
      'keys', lost_keys, 'timers', lost_timers));
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
end
$$;

create function append_one(
  -- Its stream; null: none.
  s_stream text, s_id text, s_version int, s_base int, s_fold int, s_state jsonb, s_phase text, s_first text, s_last text,
  -- The event of it; null: none.
  e_id uuid, e_version int, e_partition int, e_type text, e_schema int, e_data jsonb, e_at text, e_actor text, e_correlation text,
  e_causation text, e_trace text, e_loops text[],
  -- Its message id; null: none.
  m_id text, m_hash text, m_days int, m_outcome jsonb,
  -- What it was decided by: how many partitions, folds by kind of stream, the time; what it rests on further, and what follows from it; null: nothing.
  partitions int, folds jsonb, moment text, derived jsonb, intake jsonb
) returns json
  language plpgsql
  -- As of append
  set enable_seqscan = off
  set enable_hashjoin = off
  set enable_mergejoin = off
  set jit = off
  set plan_cache_mode = force_generic_plan
as $$
declare
  lost jsonb;
  before record;
  now_at text := instant(clock_timestamp());
begin
  if not (moment between instant(clock_timestamp() - interval '1 second') and now_at) then
    raise exception 'the time was guessed wrongly' using errcode = 'RL001', detail = '{}';
  end if;

  if s_base = 0 then
    insert into stream (stream, id, version, base, fold, state, phase, first_at, last_at)
    values (s_stream, s_id, s_version, 0, s_fold, s_state, s_phase, s_first, s_last) on conflict do nothing;
    if not found then lost := jsonb_build_object('streams', jsonb_build_array(jsonb_build_array(s_stream, s_id))); end if;
  end if;
  if m_id is not null then
    insert into message (id, hash, at, keep_until, outcome)
    values (m_id, m_hash, now_at, instant(clock_timestamp() + make_interval(days => m_days)), m_outcome) on conflict do nothing;
    if not found then lost := coalesce(lost, '{}') || jsonb_build_object('messages', jsonb_build_array(m_id)); end if;
  end if;
  if s_base > 0 then
    update stream set (version, base, fold, state, phase, last_at) = row (s_version, s_base, s_fold, s_state, s_phase, s_last)
    where key = s_stream || '/' || s_id and version = s_base and fold <= s_fold;
    if not found then lost := coalesce(lost, '{}') || jsonb_build_object('streams', jsonb_build_array(jsonb_build_array(s_stream, s_id))); end if;
  end if;

  -- Last of all locks, so that positions have no gaps and are in the order of commits
  if e_id is null then
    select null::text as now, head.position, head.recorded_at, head.tails, head.folds, epoch, repaired, planned, 0::bigint as marked
    into strict before from head for update;
  else
    update head set
      position = head.position + 1, recorded_at = instant(clock_timestamp()), tails[e_partition + 1] = head.position + 1,
      recorded_at_before = head.recorded_at, tails_before = head.tails
    returning head.recorded_at as now, head.position - 1 as position, recorded_at_before as recorded_at, tails_before as tails, head.folds, epoch,
      repaired, planned, (select coalesce(max(position), 0) from relay) as marked into strict before;
  end if;
  now_at := coalesce(before.now, instant(clock_timestamp()));

  if cardinality(before.tails) <> partitions then
    raise exception 'the partition plan has changed' using errcode = 'RL003';
  end if;
  if not before.folds @> append_one.folds then
    if exists (select from jsonb_each(append_one.folds) where (before.folds->key)::int > value::int) then
      raise exception 'a newer version of this service has taken over' using errcode = 'RL002';
    end if;
  end if;

  if coalesce(lost, derived, intake) is not null then
    perform append_rest(before.position, before.recorded_at, before.repaired, now_at, lost, derived, intake);
  end if;

  if e_id is not null then
    insert into event (position, id, stream, stream_id, version, partition, previous, type, schema_version, data, occurred_at, recorded_at,
      actor, correlation_id, causation_id, traceparent, loop_ids)
    values (before.position + 1, e_id, s_stream, s_id, e_version, e_partition, before.tails[e_partition + 1],
      e_type, e_schema, e_data, e_at, now_at, e_actor, e_correlation, e_causation, e_trace, e_loops);
  end if;
  return json_build_object('position', before.position, 'recordedAt', now_at, 'before', json_build_object(
    'epoch', before.epoch, 'repaired', before.repaired, 'tails', before.tails, 'planned', before.planned, 'marked', before.marked));
end
$$;

create or replace function append(
  -- One for each stream.
  s_stream text[], s_id text[], s_version int[], s_base int[], s_fold int[], s_state jsonb[], s_phase text[], s_first text[], s_last text[],
  -- One for each event, in their order. `e_before`: which event of this batch stands before it in its partition; 0: none.
  e_id text[], e_stream text[], e_stream_id text[], e_version int[], e_partition int[], e_before int[], e_type text[], e_schema int[],
  e_data jsonb[], e_at text[], e_actor text[], e_correlation text[], e_causation text[], e_trace text[], e_loops text[],
  -- One for each partition of the plan: which event is its last; 0: none.
  tails int[],
  -- One for each message id.
  m_id text[], m_hash text[], m_days int[], m_outcome jsonb[],
  derived jsonb, intake jsonb
) returns jsonb
  language plpgsql
  -- Plans are kept, and one made while a table was small would read it as a whole when it is not (version 15 would then compile it, too).
  set enable_seqscan = off
  -- What is written is looked up row by row, by its index: a join that was planned while a table was small would read all of it each time
  set enable_hashjoin = off
  set enable_mergejoin = off
  set jit = off
  set plan_cache_mode = force_generic_plan
as $$
declare
  -- Outcomes of others that this batch was decided without.
  lost jsonb;
  lost_streams jsonb;
  lost_messages jsonb;
  before record;
  now_at text := instant(clock_timestamp());
begin
  -- A clock that was set, or a process that stood still
  if not (derived->'guess'->>'now' between instant(clock_timestamp() - interval '1 second') and now_at) then
    raise exception 'the time was guessed wrongly' using errcode = 'RL001', detail = '{}';
  end if;

  -- What was not there when it was loaded is not expected to be there now: inserting it is enough, and its unique index the guard. Nothing is
  -- looked up before each row; where the guard objects, what stands in the way is looked up once.
  begin
    insert into stream (stream, id, version, base, fold, state, phase, first_at, last_at)
    select mine.* from unnest(s_stream, s_id, s_version, s_base, s_fold, s_state, s_phase, s_first, s_last)
      as mine(stream, id, version, base, fold, state, phase, first_at, last_at)
    where base = 0 order by (stream || '/' || id) collate "C";
    insert into message (id, hash, at, keep_until, outcome)
    select id, hash, now_at, instant(clock_timestamp() + make_interval(days => days)), outcome
    from unnest(m_id, m_hash, m_days, m_outcome) as mine(id, hash, days, outcome) order by id collate "C";
  exception when unique_violation then
    select jsonb_agg(jsonb_build_array(mine.stream, mine.id)) into lost_streams
    from unnest(s_stream, s_id, s_base) as mine(stream, id, base) join stream on stream.key = mine.stream || '/' || mine.id where mine.base = 0;
    select jsonb_agg(message.id) into lost_messages from message where message.id = any(m_id);
    if lost_streams is null and lost_messages is null then
      raise exception 'what stood in the way is gone' using errcode = 'serialization_failure';
    end if;
  end;

  if 0 < any(s_base) then
    with expected as (
      select mine.* from unnest(s_stream, s_id, s_version, s_base, s_fold, s_state, s_phase, s_first, s_last)
        as mine(stream, id, version, base, fold, state, phase, first_at, last_at)
      where base > 0
    ), won as (
      insert into stream (stream, id, version, base, fold, state, phase, first_at, last_at)
      select * from expected order by (stream || '/' || id) collate "C"
      on conflict (key) do update
        set (version, base, fold, state, phase, last_at) = (excluded.version, excluded.base, excluded.fold, excluded.state, excluded.phase, excluded.last_at)
        where stream.version = excluded.base and stream.fold <= excluded.fold
      returning stream.stream, stream.id
    )
    select nullif(coalesce(lost_streams, '[]') || coalesce(jsonb_agg(jsonb_build_array(stream, id)), '[]'), '[]') into lost_streams
    from expected where not exists (select from won where (won.stream, won.id) = (expected.stream, expected.id));
  end if;

  -- Last of all locks, so that positions have no gaps and are in the order of commits
  if cardinality(e_id) = 0 then
    select null::text as now, head.position, head.recorded_at, head.tails, folds, epoch, repaired, planned, 0::bigint as marked
    into strict before from head for update;
  else
    update head set
      position = head.position + cardinality(e_id), recorded_at = instant(clock_timestamp()), tails = (
        select array_agg(case when last > 0 then head.position + last else tail end order by n)
        from unnest(head.tails, append.tails) with ordinality as plan(tail, last, n)
      ),
      recorded_at_before = head.recorded_at, tails_before = head.tails
    returning head.recorded_at as now, head.position - cardinality(e_id) as position, recorded_at_before as recorded_at, tails_before as tails, folds,
      epoch, repaired, planned, (select coalesce(max(position), 0) from relay) as marked into strict before;
  end if;
  now_at := coalesce(before.now, instant(clock_timestamp()));

  if cardinality(before.tails) <> cardinality(tails) then
    raise exception 'the partition plan has changed' using errcode = 'RL003';
  end if;
  -- Equal in the normal case; lower than ours while our fold is being made complete.
  if not before.folds @> (derived->'folds') then
    if exists (select from jsonb_each(derived->'folds') where (before.folds->key)::int > value::int) then
      raise exception 'a newer version of this service has taken over' using errcode = 'RL002';
    end if;
  end if;

  if lost_streams is not null or lost_messages is not null then
    lost := jsonb_strip_nulls(jsonb_build_object('streams', lost_streams, 'messages', lost_messages));
  end if;
  perform append_rest(before.position, before.recorded_at, before.repaired, now_at, lost, derived, intake);

  if cardinality(e_id) > 0 then
    insert into event (position, id, stream, stream_id, version, partition, previous, type, schema_version, data, occurred_at, recorded_at,
      actor, correlation_id, causation_id, traceparent, loop_ids)
    select before.position + n, id::uuid, stream, stream_id, version, partition,
      case when earlier > 0 then before.position + earlier else before.tails[partition + 1] end,
      type, schema_version, data, occurred_at, now_at, actor, correlation_id, causation_id, traceparent, loop_ids::text[]
    from unnest(e_id, e_stream, e_stream_id, e_version, e_partition, e_before, e_type, e_schema, e_data, e_at, e_actor, e_correlation,
      e_causation, e_trace, e_loops) with ordinality as mine(id, stream, stream_id, version, partition, earlier, type, schema_version, data,
      occurred_at, actor, correlation_id, causation_id, traceparent, loop_ids, n);
  end if;
  return jsonb_build_object('position', before.position, 'recordedAt', now_at, 'before', jsonb_build_object(
    'epoch', before.epoch, 'repaired', before.repaired, 'tails', before.tails, 'planned', before.planned, 'marked', before.marked));
end
$$;
