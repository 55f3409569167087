-- append_alone once more, for less (the signature stays, and so do the processes that call it): its settings are made only where one of its
-- statements has to look something up (each costs as much as a comparison, at every call), times are compared as such and not as text, and of the
-- relay the one row is read.
alter function append_rest(bigint, text, int, text, jsonb, jsonb, jsonb)
  set enable_seqscan = off
  set enable_hashjoin = off
  set enable_mergejoin = off
  set jit = off
  set plan_cache_mode = force_generic_plan;

-- Compare and set.
create function stream_moved(s_stream text, s_id text, s_version int, s_base int, s_fold int, s_state jsonb, s_phase text, s_last text) returns boolean
  language plpgsql
  -- As of append: plans are kept, and with little in the table reading all of it looks cheap
  set enable_seqscan = off
  set jit = off
  set plan_cache_mode = force_generic_plan
as $$
begin
  update stream set (version, base, fold, state, phase, last_at) = row (s_version, s_base, s_fold, s_state, s_phase, s_last)
  where key = s_stream || '/' || s_id and version = s_base and fold <= s_fold;
  return found;
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
  return concat_ws(' ', before.position, now_at, before.epoch, before.repaired, before.planned, before.marked, before.tails);
end
$$;
