-- Each look-up has one index that can serve it, and no join whose order the planner chooses. While it knows little of a table it takes the wrong
-- index of two, and the wrong side of a join, and the plan is kept: who holds a value was looked for among all keys of that kind of stream, by the
-- index that begins with it, too, until the table was analyzed the next time.
drop index stream_key_by_id;
create index stream_key_by_stream on stream_key ((stream || '/' || id));

-- As before, where what is compared and taken away is looked up row by row.
create or replace function append_rest(
  -- How the head row stood, which is locked; lost already: streams, messages.
  before_position bigint, before_recorded_at text, before_repaired int, now_at text, lost jsonb, derived jsonb, intake jsonb
) returns void
  language plpgsql
  -- As of append
  set enable_seqscan = off
  set enable_hashjoin = off
  set enable_mergejoin = off
  set jit = off
  set plan_cache_mode = force_generic_plan
as $$
declare
  lost_streams jsonb := lost->'streams';
  lost_checkpoints jsonb;
  lost_keys jsonb;
  lost_timers jsonb;
  moved jsonb;
  one record;
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
      for one in select * from jsonb_to_recordset(intake->'counted') as _(id text, duplicates int, conflicts int) loop
        update message set duplicates = duplicates + one.duplicates, conflicts = conflicts + one.conflicts where id = one.id;
      end loop;
    end if;

    if intake->'fired' is not null then
      for one in select * from jsonb_to_recordset(intake->'fired') as _(stream text, stream_id text, tell text, due text) loop
        -- Not "is null": the index of those that wait would be read for all that are due at one moment
        update timer set fired_at = now_at
        where (timer.stream, timer.stream_id, timer.tell, timer.due) = (one.stream, one.stream_id, one.tell, one.due) and coalesce(fired_at, '') = '';
        if not found then
          lost_timers := coalesce(lost_timers, '[]') || jsonb_build_array(jsonb_build_array(one.stream, one.stream_id, one.tell, one.due));
        end if;
      end loop;
    end if;
  end if;

  if derived->'keys_gone' is not null then
    for one in select * from jsonb_to_recordset(derived->'keys_gone') as _(stream text, name text, value text, id text) loop
      delete from stream_key where (stream, name, value, id) = (one.stream, one.name, one.value, one.id);
    end loop;
  end if;
  if derived->'keys' is not null then
    select jsonb_agg(jsonb_build_array(mine.stream, mine.name, mine.value, theirs.id)) into lost_keys
    from jsonb_to_recordset(derived->'keys') as mine(stream text, name text, value text, id text, is_unique boolean)
    cross join lateral (
      select held.id from stream_key held where held.is_unique and (held.stream, held.name, held.value) = (mine.stream, mine.name, mine.value) offset 0
    ) theirs
    where mine.is_unique and theirs.id <> mine.id;
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
    for one in select * from jsonb_to_recordset(derived->'timers_gone') as _(stream text, stream_id text, tell text, due text) loop
      delete from timer where (stream, stream_id, tell, due) = (one.stream, one.stream_id, one.tell, one.due);
    end loop;
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

create or replace function find_streams(keys text[], h_stream text[], h_name text[], h_value text[]) returns json
  language plpgsql stable
  set enable_seqscan = off
  set enable_hashjoin = off
  set enable_mergejoin = off
  set jit = off
  set plan_cache_mode = force_generic_plan
as $$
begin
  return (
    with held as (
      select n, holder.key from unnest(h_stream, h_name, h_value) with ordinality as wanted(stream, name, value, n)
      cross join lateral (
        select k.stream || '/' || k.id as key from stream_key k where (k.stream, k.name, k.value) = (wanted.stream, wanted.name, wanted.value) offset 0
      ) holder
    )
    select json_build_object(
      'seen', (select json_build_object('position', position, 'recordedAt', recorded_at, 'repaired', repaired) from head),
      'held', (select json_agg(json_build_array(n, key)) from held),
      'rows', (
        select json_agg(json_build_object('stream', s.stream, 'id', s.id, 'version', s.version, 'fold', s.fold, 'state', s.state,
          'phase', s.phase, 'firstAt', s.first_at, 'lastAt', s.last_at) order by s.key)
        from stream s where s.key = any(keys || array(select key from held))
      )
    )
  );
end
$$;
