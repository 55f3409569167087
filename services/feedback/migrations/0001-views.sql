-- How a requester can be reached. Written beside the events and never into them, so that it can be deleted.
create table contact (
  requester text collate "C" primary key,
  name text not null,
  address text not null
);

-- Which service a repository belongs to, as the catalog says.
create table repository_service (
  repository text collate "C" primary key,
  service text collate "C" not null,
  said_at text collate "C" not null
);
create index repository_service_service on repository_service (service);

-- What people call an artifact.
create table release_name (
  artifact text collate "C" primary key,
  version text not null default '',
  release text not null default ''
);
