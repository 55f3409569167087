-- The commit graph: what is known of each commit, in whatever order it was told. Times are text of fixed width (see the ledger).
create table commit_row (
  sha text collate "C" primary key,
  -- False: only a merge request names it so far.
  recorded boolean not null,
  -- Null: not told, which is not "none".
  parents text[],
  reaches text[] not null,
  shallow boolean not null,
  patch_id text collate "C",
  committed_at text collate "C" not null,
  implements text[] not null,
  reverts text[] not null,
  picked_from text[] not null,
  contributors jsonb not null,
  -- Of the last fact that said something: how much the graph knew when something was computed from it.
  position bigint not null
);
create index commit_row_by_patch on commit_row (patch_id) where patch_id is not null;
create index commit_row_by_time on commit_row (committed_at, sha);
create index commit_row_by_position on commit_row (position);

-- From a commit to what lies behind it: its parents, and what it is known to reach where they were not told.
create table commit_edge (
  child text collate "C" not null,
  behind text collate "C" not null,
  primary key (child, behind)
);

-- What was missing when something was computed (the origin), and the commits that are waited for in its place: as each of
-- them is told, its own unknown parents take over. So an import that begins with the newest commit costs one row a commit,
-- and what waits is computed again when nothing is left to wait for.
create table commit_wait (
  sha text collate "C" not null,
  origin text collate "C" not null,
  primary key (sha, origin)
);
create index commit_wait_by_origin on commit_wait (origin);

-- The commit with which the wait for an origin ended.
create table commit_settled (
  sha text collate "C" not null,
  origin text collate "C" not null,
  primary key (sha, origin)
);

create table commit_pick (
  origin text collate "C" not null,
  sha text collate "C" not null,
  primary key (origin, sha)
);

create table commit_merge_request (
  sha text collate "C" not null,
  request text collate "C" not null,
  at text collate "C" not null,
  implements text[] not null,
  contributors jsonb not null,
  primary key (sha, request)
);

create table commit_repository (
  repository_id text collate "C" not null,
  sha text collate "C" not null,
  primary key (repository_id, sha)
);
create index commit_repository_by_sha on commit_repository (sha);

create table repository_service (
  repository_id text collate "C" primary key,
  service text collate "C",
  basis bigint not null
);
create index repository_service_by_service on repository_service (service);
