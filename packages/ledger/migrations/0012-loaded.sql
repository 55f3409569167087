-- As before, and it says how the ledger stood, so that what was loaded and is not written need not be loaded again.
create or replace function load_batch(keys text[], message_ids text[], sources text[], partitions int[]) returns json
  language plpgsql stable
  set enable_seqscan = off
  set jit = off
  set plan_cache_mode = force_generic_plan
as $$
begin
  return (
    select json_build_object(
      'now', instant(clock_timestamp()),
      'partitions', (select cardinality(tails) from head),
      'seen', (select json_build_object('position', position, 'recordedAt', recorded_at, 'repaired', repaired) from head),
      'streams', (
        select json_agg(json_build_object('stream', s.stream, 'id', s.id, 'version', s.version, 'fold', s.fold, 'state', s.state,
          'phase', s.phase, 'firstAt', s.first_at, 'lastAt', s.last_at))
        from stream s where s.key = any(keys)
      ),
      'messages', (
        select json_agg(json_build_object('id', m.id, 'hash', m.hash, 'outcome', m.outcome)) from message m where m.id = any(message_ids)
      ),
      'checkpoints', (
        select json_agg(json_build_object('source', c.source, 'partition', c.partition, 'position', c.position))
        from unnest(sources, partitions) as wanted(source, partition)
        join checkpoint c on (c.source, c.partition) = (wanted.source, wanted.partition)
      )
    )
  );
end
$$;
