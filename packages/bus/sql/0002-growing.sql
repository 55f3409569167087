-- A topic may get more partitions, and never less. Members see the new ones at their next sign of life.
create or replace function bus.create_topic(topic_name text, partition_count int, retention bigint) returns int
language plpgsql as $$
declare
  one bus.topic;
begin
  insert into bus.topic (name, partitions, retention_ms) values (topic_name, partition_count, retention) on conflict (name) do nothing;
  select * into strict one from bus.topic where name = topic_name for update;
  if one.partitions < partition_count then
    update bus.topic set partitions = partition_count where number = one.number;
  end if;
  insert into bus.partition (topic, partition) select one.number, n from generate_series(0, greatest(one.partitions, partition_count) - 1) n on conflict do nothing;
  return greatest(one.partitions, partition_count);
end
$$;
