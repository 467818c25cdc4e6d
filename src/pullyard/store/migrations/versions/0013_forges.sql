-- How a project wants its changes to stand on their forge; what is not said is as the protocol says.
ALTER TABLE projects ADD COLUMN change_rules jsonb NOT NULL DEFAULT '{}';

-- How a change stands on its forge, as a worker saw it last, and when it is looked at again; NULL: now.
ALTER TABLE changes ADD COLUMN forge_status jsonb;
ALTER TABLE changes ADD COLUMN look_at timestamptz;
CREATE INDEX changes_look_at ON changes (coalesce(look_at, '-infinity'))
    WHERE state = 'open' AND url IS NOT NULL;

ALTER TABLE errands DROP CONSTRAINT errands_kind_check;
ALTER TABLE errands ADD CONSTRAINT errands_kind_check
    CHECK (kind IN ('merge', 'close', 'look', 'read-task-list', 'write-task-list'));
ALTER TABLE errands DROP CONSTRAINT errands_check;
ALTER TABLE errands ADD CONSTRAINT errands_check
    CHECK ((change_id IS NOT NULL) = (kind IN ('merge', 'close', 'look')));
