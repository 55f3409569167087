-- What was asked for by named statements. The plan of one is kept, too, and one that was made while a table was small reads all of it for as long
-- as nobody analyzes it: so they are functions, as `find_streams`.

-- What is known of message ids.
create function find_messages(ids text[])
  returns table (id text, hash text, outcome jsonb, at text, duplicates int, conflicts int)
  language plpgsql stable
  set enable_seqscan = off
  set jit = off
  set plan_cache_mode = force_generic_plan
as $$
begin
  return query select m.id, m.hash, m.outcome, m.at, m.duplicates, m.conflicts from message m where m.id = any(ids);
end
$$;

-- Up to this very event all was sent: whether its holder keeps the lease, or null where less was marked than was sent before it, or another event
-- stands there. The event is locked: else, where this waits for who puts an older copy in the ledger's place, it would be looked for as it was
-- before that.
create function mark_sent(of_topic text, by_holder text, seconds double precision, sent_from bigint, sent_to bigint, event_id uuid, channel text, payload text)
  returns boolean
  language plpgsql
  set enable_seqscan = off
  set jit = off
  set plan_cache_mode = force_generic_plan
as $$
declare
  kept boolean;
begin
  update relay set
    position = greatest(position, sent_to),
    held_until = case when holder = by_holder then clock_timestamp() + make_interval(secs => seconds) else held_until end
  where topic = of_topic and position >= sent_from and event_id = (select event.id from event where event.position = sent_to for key share)
  returning holder is not distinct from by_holder into kept;
  if kept is not null then
    perform pg_notify(channel, payload);
  end if;
  return kept;
end
$$;
