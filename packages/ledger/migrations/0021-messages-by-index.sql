-- What is known of message ids. A function, as `find_streams`: the plan of a named statement is kept, too, and one made while the table was
-- small reads all of it for as long as nobody analyzes it, which takes the longer the more ids are asked for.
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
