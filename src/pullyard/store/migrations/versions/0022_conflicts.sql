-- What became of a trial merge into the base branch, and when; NULL: to be tried, with all that it may touch.
ALTER TABLE changes ADD COLUMN base_conflicts jsonb;
ALTER TABLE changes ADD COLUMN compared_at timestamptz;
CREATE INDEX changes_uncompared ON changes (project_id)
    WHERE state = 'open' AND repository IS NULL AND compared_at IS NULL AND diffstat -> 'files' <> '[]';

ALTER TABLE errands DROP CONSTRAINT errands_kind_check;
ALTER TABLE errands ADD CONSTRAINT errands_kind_check
    CHECK (kind IN ('merge', 'close', 'look', 'compare', 'read-task-list', 'write-task-list', 'read-issues'));
-- Errands of a project are of several kinds by now, and one waits for none of another kind.
DROP INDEX errands_one_open_of_a_list;
CREATE UNIQUE INDEX errands_one_open_of_a_list ON errands (project_id)
    WHERE kind IN ('read-task-list', 'write-task-list') AND state IN ('requested', 'assigned');
