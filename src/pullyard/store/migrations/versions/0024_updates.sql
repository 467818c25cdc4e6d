-- The changes that were merged into the base branch since, until it is known whether they matter to this one; the
-- newest task that brought that branch into it, because of which of them; and how often that was done since a
-- person last went on with it.
ALTER TABLE changes ADD COLUMN behind text[] NOT NULL DEFAULT '{}';
ALTER TABLE changes ADD COLUMN update_task_id text;
ALTER TABLE changes ADD COLUMN updated_for text[] NOT NULL DEFAULT '{}';
ALTER TABLE changes ADD COLUMN updates integer NOT NULL DEFAULT 0;
CREATE INDEX changes_behind ON changes (project_id) WHERE state = 'open' AND behind <> '{}';
CREATE INDEX changes_update_task ON changes (update_task_id) WHERE update_task_id IS NOT NULL;
