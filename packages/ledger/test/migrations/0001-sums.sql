create table sums (
  id text primary key,
  total integer not null
);
