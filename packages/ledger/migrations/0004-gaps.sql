-- Records of a topic that were lost for ever, and that an operator let go.
create table accepted_gap (
  number bigint generated always as identity primary key,
  at text not null,
  actor text not null,
  why text not null,
  source text not null,
  partition integer not null,
  -- The offset that was wanted, and the one where reading went on.
  wanted numeric not null,
  next_offset numeric not null
);
