-- Builds as they are listed: filters that join, which a stream's keys cannot.
create table build_row (
  id text collate "C" primary key,
  source text collate "C" not null,
  repository_id text collate "C",
  first_at text collate "C" not null,
  -- Attempt × 10 + 1 queued, 2 started, 3 finished: the largest is the build's state.
  standing bigint not null
);
create index build_row_by_time on build_row (first_at, id);
create index build_row_by_source on build_row (source, first_at, id);

-- The cases of each test report: too many for a state.
create table report_row (
  target text collate "C" not null,
  report text collate "C" not null,
  cases jsonb not null,
  primary key (target, report)
);
