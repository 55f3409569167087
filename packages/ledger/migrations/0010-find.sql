-- All that a reaction looks for at once, in one query: streams by their keys, and those that hold one of the values. A function, so that its plan
-- is kept without a named statement. `held`: which of the values, counted from 1, and the key of a stream that holds it; each stream once in `rows`.
create function find_streams(keys text[], h_stream text[], h_name text[], h_value text[]) returns json
  language plpgsql stable
  set enable_seqscan = off
  set jit = off
  set plan_cache_mode = force_generic_plan
as $$
begin
  return (
    with held as (
      select n, k.stream || '/' || k.id as key from unnest(h_stream, h_name, h_value) with ordinality as wanted(stream, name, value, n)
      join stream_key k on (k.stream, k.name, k.value) = (wanted.stream, wanted.name, wanted.value)
    )
    select json_build_object(
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
