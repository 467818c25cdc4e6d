-- Which work under way would touch the same files as a task, what one that is held for that waits for, and
-- whether a person lets it run all the same.
ALTER TABLE tasks ADD COLUMN overlapping jsonb NOT NULL DEFAULT '[]';
ALTER TABLE tasks ADD COLUMN waits_for text;
ALTER TABLE tasks ADD COLUMN overlap_allowed boolean NOT NULL DEFAULT false;
CREATE INDEX tasks_watched ON tasks (project_id)
    WHERE target_files <> '[]' AND state IN ('pending', 'queued', 'running', 'waiting');
CREATE INDEX tasks_overlapping ON tasks (project_id) WHERE pending_reason = 'overlap';
CREATE INDEX changes_open ON changes (project_id, id) WHERE state = 'open';

-- What became of a trial merge of two open changes, at the commits that they had; no files: they go together.
CREATE TABLE change_conflicts (
    one_id text NOT NULL REFERENCES changes ON DELETE CASCADE,
    other_id text NOT NULL REFERENCES changes ON DELETE CASCADE,
    one_commit text NOT NULL,
    other_commit text NOT NULL,
    files jsonb NOT NULL,
    total integer NOT NULL,
    compared_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (one_id, other_id),
    CHECK (one_id < other_id)
);
CREATE INDEX change_conflicts_other ON change_conflicts (other_id);

ALTER TABLE errands DROP CONSTRAINT errands_kind_check;
ALTER TABLE errands ADD CONSTRAINT errands_kind_check
    CHECK (kind IN ('merge', 'close', 'look', 'compare', 'read-task-list', 'write-task-list'));
DROP INDEX errands_one_open_of_a_list;
CREATE UNIQUE INDEX errands_one_open_of_a_list ON errands (project_id)
    WHERE change_id IS NULL AND kind <> 'compare' AND state IN ('requested', 'assigned');
CREATE UNIQUE INDEX errands_one_open_compare ON errands (project_id)
    WHERE kind = 'compare' AND state IN ('requested', 'assigned');
