-- As before, and what is told names the time of the last event before the batch, too (absent where there is none): with its position that names
-- the history which the batch was written behind, so that who has sent that event need not look whether it is there still.
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
    'epoch', before.epoch, 'repaired', before.repaired, 'tails', before.tails, 'planned', before.planned, 'marked', before.marked,
    'recordedAt', before.recorded_at));
end
$$;

create or replace function append_alone(
  -- Its stream; null: none.
  s_stream text, s_id text, s_version int, s_base int, s_fold int, s_state jsonb, s_phase text, s_first text, s_last text,
  -- The event of it; null: none.
  e_id uuid, e_version int, e_partition int, e_type text, e_schema int, e_data jsonb, e_at text, e_actor text, e_correlation text,
  e_causation text, e_trace text, e_loops text[],
  -- Its message id; null: none.
  m_id text, m_hash text, m_days int, m_outcome jsonb,
  -- What it was decided by: how many partitions, folds by kind of stream, the time; what it rests on further, and what follows from it; null: nothing.
  partitions int, folds jsonb, moment text, derived jsonb, intake jsonb
) returns text
  language plpgsql
as $$
declare
  lost jsonb;
  before record;
  began timestamptz := clock_timestamp();
  now_at text := instant(began);
begin
  if not (moment::timestamptz between began - interval '1 second' and began) then
    raise exception 'the time was guessed wrongly' using errcode = 'RL001', detail = '{}';
  end if;

  if s_base = 0 then
    insert into stream (stream, id, version, base, fold, state, phase, first_at, last_at)
    values (s_stream, s_id, s_version, 0, s_fold, s_state, s_phase, s_first, s_last);
  end if;
  if m_id is not null then
    insert into message (id, hash, at, keep_until, outcome)
    values (m_id, m_hash, now_at, instant(began + make_interval(days => m_days)), m_outcome);
  end if;
  if s_base > 0 and not stream_moved(s_stream, s_id, s_version, s_base, s_fold, s_state, s_phase, s_last) then
    lost := jsonb_build_object('streams', jsonb_build_array(jsonb_build_array(s_stream, s_id)));
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
      repaired, planned, coalesce((select position from relay limit 1), 0) as marked into strict before;
  end if;
  now_at := coalesce(before.now, instant(clock_timestamp()));

  -- One expression where all is as it mostly is
  if cardinality(before.tails) <> partitions or not before.folds @> append_alone.folds or coalesce(lost, derived, intake) is not null then
    if cardinality(before.tails) <> partitions then
      raise exception 'the partition plan has changed' using errcode = 'RL003';
    end if;
    if exists (select from jsonb_each(append_alone.folds) where (before.folds->key)::int > value::int) then
      raise exception 'a newer version of this service has taken over' using errcode = 'RL002';
    end if;
    if coalesce(lost, derived, intake) is not null then
      perform append_rest(before.position, before.recorded_at, before.repaired, now_at, lost, derived, intake);
    end if;
  end if;

  if e_id is not null then
    insert into event (position, id, stream, stream_id, version, partition, previous, type, schema_version, data, occurred_at, recorded_at,
      actor, correlation_id, causation_id, traceparent, loop_ids)
    values (before.position + 1, e_id, s_stream, s_id, e_version, e_partition, before.tails[e_partition + 1],
      e_type, e_schema, e_data, e_at, now_at, e_actor, e_correlation, e_causation, e_trace, e_loops);
  end if;
  return concat_ws(' ', before.position, now_at, before.epoch, before.repaired, before.planned, before.marked, before.tails, before.recorded_at);
end
$$;
