-- Who gave a contact: told what became of it without learning of another's. Empty: from before this was written down.
alter table contact add column given_by text collate "C" not null default '';
