-- One row a report: what the windows of a proof are counted from. Times are fixed-width UTC text, so the order of the text is the order of time.
create table traffic (
  place text collate "C" not null,
  source text collate "C" not null,
  -- Empty where the reporter did not say which artifact served.
  artifact text collate "C" not null,
  started_at text collate "C" not null,
  ended_at text collate "C" not null,
  events bigint not null check (events >= 0),
  requests bigint not null check (requests >= 0),
  event_ids jsonb not null,
  report text collate "C" not null,
  -- The same numbers of one source for one span are one report, however often and under whatever id they come.
  primary key (place, ended_at, started_at, artifact, source, events, requests)
);
create index traffic_events on traffic (place, ended_at) where events > 0;
