-- What was answered, or is being answered now. A remark is written here with the task that answers it.
CREATE TABLE change_remarks (
    change_id text NOT NULL REFERENCES changes ON DELETE CASCADE,
    key text NOT NULL CHECK (length(key) <= 200),
    task_id text NOT NULL,
    PRIMARY KEY (change_id, key)
);

-- How often a change was answered since a person last did, why a person is asked now, and what was found new
-- since when: it is answered once nothing more was said for a while.
ALTER TABLE changes ADD COLUMN rounds integer NOT NULL DEFAULT 0;
ALTER TABLE changes ADD COLUMN attention text;
ALTER TABLE changes ADD COLUMN feedback_digest text;
ALTER TABLE changes ADD COLUMN feedback_at timestamptz;

-- When a project's issues are looked at again; NULL: now.
ALTER TABLE projects ADD COLUMN issues_at timestamptz;
CREATE INDEX projects_poll_issues ON projects (coalesce(issues_at, '-infinity'))
    WHERE forge_events ->> 'poll_issues' = 'true';

-- Whether the issue was told of its task.
ALTER TABLE tasks ADD COLUMN source_told boolean NOT NULL DEFAULT false;
CREATE INDEX tasks_untold ON tasks (project_id) WHERE source_url IS NOT NULL AND NOT source_told;

-- The question that it was given to: where that is asked again, its answer was lost.
ALTER TABLE errands ADD COLUMN request_id text;

ALTER TABLE errands DROP CONSTRAINT errands_kind_check;
ALTER TABLE errands ADD CONSTRAINT errands_kind_check
    CHECK (kind IN ('merge', 'close', 'look', 'read-task-list', 'write-task-list', 'read-issues'));
