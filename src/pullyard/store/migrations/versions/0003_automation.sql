-- What a project does by itself, and what stopped it.
ALTER TABLE projects ADD COLUMN automation_policy jsonb NOT NULL DEFAULT '{}';
ALTER TABLE projects ADD COLUMN automation_reason text;
ALTER TABLE projects ADD COLUMN automation_message text NOT NULL DEFAULT '';
ALTER TABLE projects ADD COLUMN automation_task_id text;
ALTER TABLE projects ADD COLUMN automation_at timestamptz NOT NULL DEFAULT now();

-- Where a task came from: the error policy is for those that nobody waits at.
ALTER TABLE tasks ADD COLUMN source text NOT NULL DEFAULT 'request'
    CHECK (source IN ('request', 'list', 'inject', 'resolution'));
-- The item of the task list that it was made of, as it was then; null as soon as the list took the task back.
ALTER TABLE tasks ADD COLUMN list_key text;
ALTER TABLE tasks ADD COLUMN list_digest text;
-- Whether the list says already that it is done.
ALTER TABLE tasks ADD COLUMN list_checked boolean NOT NULL DEFAULT false;
-- The failed task that this one is to mend, and how often that was tried for a task.
ALTER TABLE tasks ADD COLUMN resolves text REFERENCES tasks;
ALTER TABLE tasks ADD COLUMN resolutions integer NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX tasks_list ON tasks (project_id, list_key) WHERE list_key IS NOT NULL;
CREATE INDEX tasks_list_unchecked ON tasks (project_id)
    WHERE list_key IS NOT NULL AND state = 'completed' AND NOT list_checked;
CREATE INDEX tasks_held ON tasks (project_id, priority, position) WHERE state = 'pending';

-- Room between two tasks, so that one is put between them without touching any other.
UPDATE tasks SET position = position * 1024;
ALTER TABLE tasks ALTER COLUMN position SET INCREMENT BY 1024;
SELECT setval(pg_get_serial_sequence('tasks', 'position'), coalesce(max(position), 0) + 1024, false) FROM tasks;

-- An execution that is stopped with its project's automation: its task goes back into the queue.
ALTER TABLE task_executions ADD COLUMN stop_requested boolean NOT NULL DEFAULT false;
ALTER TABLE task_executions ADD CHECK (cancel_requested OR NOT stop_requested);

-- What a worker last told of the project's task list.
CREATE TABLE task_lists (
    project_id text PRIMARY KEY REFERENCES projects ON DELETE CASCADE,
    tenant_id text NOT NULL REFERENCES tenants,
    path text NOT NULL,
    state text NOT NULL CHECK (state IN ('waiting', 'read', 'missing', 'failed', 'withheld')),
    message text NOT NULL DEFAULT '',
    commit text,
    blob text,
    items integer NOT NULL DEFAULT 0,
    done integer NOT NULL DEFAULT 0,
    -- The items in the order of the file, so that a new order is known.
    keys jsonb NOT NULL DEFAULT '[]',
    warnings jsonb NOT NULL DEFAULT '[]',
    read_at timestamptz,
    due_at timestamptz,
    -- It was asked for while a worker was reading it, who may not have seen what is there by now.
    again boolean NOT NULL DEFAULT false
);
CREATE INDEX task_lists_due ON task_lists (due_at) WHERE due_at IS NOT NULL;

-- Errands are of a change, or of a project's task list.
ALTER TABLE errands ADD COLUMN project_id text REFERENCES projects ON DELETE CASCADE;
UPDATE errands e SET project_id = c.project_id FROM changes c WHERE c.id = e.change_id;
ALTER TABLE errands ALTER COLUMN project_id SET NOT NULL;
ALTER TABLE errands ALTER COLUMN change_id DROP NOT NULL;
ALTER TABLE errands ADD COLUMN given jsonb NOT NULL DEFAULT '{}';
ALTER TABLE errands DROP CONSTRAINT errands_kind_check;
ALTER TABLE errands ADD CONSTRAINT errands_kind_check
    CHECK (kind IN ('merge', 'close', 'read-task-list', 'write-task-list'));
ALTER TABLE errands ADD CHECK ((change_id IS NOT NULL) = (kind IN ('merge', 'close')));
CREATE UNIQUE INDEX errands_one_open_of_a_list ON errands (project_id)
    WHERE change_id IS NULL AND state IN ('requested', 'assigned');
