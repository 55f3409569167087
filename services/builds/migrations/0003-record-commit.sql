-- What the graph learns of a commit. A function, so that its plan is kept without a named statement.
-- Each parameter is named in `told`.
create function record_commit(text, text[], text[], boolean, text, text, text[], text[], text[], jsonb, bigint, text) returns void
  language plpgsql
  -- One made while a table was small would read it as a whole when it is not.
  set enable_seqscan = off
  set jit = off
  set plan_cache_mode = force_generic_plan
as $$
begin
  with told as (
    select $1 as sha, $2 as parents, $3 as reaches, $4 as shallow, $5 as patch_id, $6 as committed_at,
           $7 as implements, $8 as reverts, $9 as picked_from, $10 as contributors, $11 as position
  ), edges as (
    insert into commit_edge (child, behind)
    select sha, unnest(coalesce(parents, '{}') || reaches) from told on conflict do nothing
  ), picks as (
    insert into commit_pick (origin, sha) select unnest(picked_from), sha from told on conflict do nothing
  ), seen as (
    insert into commit_repository (repository_id, sha) select $12, sha from told on conflict do nothing
  ), moved as (
    delete from commit_wait w using told where w.sha = told.sha returning w.origin
  ), onward as (
    insert into commit_wait (sha, origin)
    select behind, origin from moved, told, unnest(case when shallow then '{}' else coalesce(parents, '{}') end) as behind
    where not exists (select from commit_row c where c.sha = behind and c.recorded)
    on conflict do nothing returning origin
  ), settled as (
    insert into commit_settled (sha, origin)
    select told.sha, origin from moved, told
    where origin not in (select origin from onward) and not exists (select from commit_wait w where w.origin = moved.origin and w.sha <> told.sha)
    on conflict do nothing
  )
  insert into commit_row as known (sha, recorded, parents, reaches, shallow, patch_id, committed_at, implements, reverts, picked_from, contributors, position)
  select sha, true, parents, reaches, shallow, patch_id, committed_at, implements, reverts, picked_from, contributors, position from told
  on conflict (sha) do update set
    recorded = true,
    parents = case when cardinality(excluded.parents) > coalesce(cardinality(known.parents), -1) then excluded.parents else known.parents end,
    reaches = (select coalesce(array_agg(distinct one), '{}') from unnest(known.reaches || excluded.reaches) as one),
    shallow = case when excluded.parents is null then known.shallow when known.parents is null then excluded.shallow else known.shallow and excluded.shallow end,
    patch_id = least(known.patch_id, excluded.patch_id),
    committed_at = case when known.recorded then least(known.committed_at, excluded.committed_at) else excluded.committed_at end,
    implements = (select coalesce(array_agg(distinct one), '{}') from unnest(known.implements || excluded.implements) as one),
    reverts = (select coalesce(array_agg(distinct one), '{}') from unnest(known.reverts || excluded.reverts) as one),
    picked_from = (select coalesce(array_agg(distinct one), '{}') from unnest(known.picked_from || excluded.picked_from) as one),
    contributors = known.contributors || excluded.contributors,
    position = greatest(known.position, excluded.position);
end
$$;

-- Of many commits, in their order. An import brings thousands, and the way to the database costs more than the work.
create function record_commits(commits jsonb) returns void
  language plpgsql
as $$
declare
  one record;
begin
  for one in
    select t.*
    from jsonb_array_elements(commits) with ordinality as _(body, n)
    cross join lateral jsonb_to_record(body) as t(sha text, parents text[], reaches text[], shallow boolean, patch_id text, committed_at text,
      implements text[], reverts text[], picked_from text[], contributors jsonb, "position" bigint, repository_id text)
    order by n
  loop
    perform record_commit(one.sha, one.parents, one.reaches, one.shallow, one.patch_id, one.committed_at, one.implements, one.reverts,
      one.picked_from, one.contributors, one."position", one.repository_id);
  end loop;
end
$$;
