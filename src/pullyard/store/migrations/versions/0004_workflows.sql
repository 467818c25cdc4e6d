-- The nodes that a project adds to its workflows, as they were given.
ALTER TABLE projects ADD COLUMN workflow_nodes jsonb NOT NULL DEFAULT '[]';

-- What a task is done by, the repositories besides its project's own, and the change that it goes on with.
ALTER TABLE tasks ADD COLUMN workflow text NOT NULL DEFAULT 'code-change';
ALTER TABLE tasks ADD COLUMN repositories jsonb NOT NULL DEFAULT '[]';
ALTER TABLE tasks ADD COLUMN responds_to text REFERENCES changes;
CREATE INDEX tasks_responds_to ON tasks (responds_to) WHERE responds_to IS NOT NULL;

-- The newest question to a person, and its answer. It stays when it is answered.
ALTER TABLE task_executions ADD COLUMN question jsonb;
ALTER TABLE task_executions ADD CHECK (state <> 'waiting_input' OR question IS NOT NULL);

-- Every attempt at a node of the workflow, as its worker told of it; the times are the database's.
CREATE TABLE execution_nodes (
    execution_id text NOT NULL REFERENCES task_executions ON DELETE CASCADE,
    place integer NOT NULL,
    name text NOT NULL,
    kind text NOT NULL,
    phase text NOT NULL,
    attempt integer NOT NULL,
    outcome text,
    reason text,
    message text NOT NULL DEFAULT '',
    seconds double precision NOT NULL DEFAULT 0,
    facts jsonb NOT NULL DEFAULT '{}',
    started_at timestamptz NOT NULL,
    finished_at timestamptz,
    PRIMARY KEY (execution_id, name, attempt),
    CHECK ((finished_at IS NOT NULL) = (outcome IS NOT NULL))
);

-- One change in each of a task's repositories; null is the project's own.
ALTER TABLE changes ADD COLUMN repository text;
ALTER TABLE changes ADD COLUMN repository_url text;
ALTER TABLE changes ADD CHECK ((repository IS NULL) = (repository_url IS NULL));
ALTER TABLE changes ADD COLUMN receipt jsonb;
ALTER TABLE changes DROP CONSTRAINT changes_execution_id_key;
CREATE UNIQUE INDEX changes_one_a_repository ON changes (execution_id, coalesce(repository, ''));
