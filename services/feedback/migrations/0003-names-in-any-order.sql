-- What several services, or several releases, say of one thing: the latest by when it was said, in whatever order it came.
alter table repository_service drop constraint repository_service_pkey, add primary key (repository, service);

alter table release_name
  add column version_at text collate "C" not null default '',
  add column release_at text collate "C" not null default '';
