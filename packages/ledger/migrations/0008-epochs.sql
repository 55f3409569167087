-- Where each epoch after the first began: [{"epoch": 2, "after": 1234}, …]. An event keeps the epoch under which it was recorded, so that what was
-- sent before a restore and is sent again after it is known by those who have read it.
alter table head add column raised jsonb not null default '[]';
update head set raised = jsonb_build_array(jsonb_build_object('epoch', epoch, 'after', 0)) where epoch > 1;
