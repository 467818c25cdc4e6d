-- How many executions may be live at once for all projects of a tenant, and for all tasks of one member.
-- Null is no limit of their own. What is live is counted from task_executions itself, never kept beside it.
ALTER TABLE tenants ADD COLUMN max_running integer CHECK (max_running > 0);
ALTER TABLE members ADD COLUMN max_running integer CHECK (max_running > 0);

-- Who asked for the task; an execution keeps it, so that live ones are counted without their tasks.
ALTER TABLE tasks ADD COLUMN member_id text REFERENCES members;
ALTER TABLE task_executions ADD COLUMN member_id text;

-- A lane is of one member, too ('' where none is known): a claim leaves out the lanes of those who have reached
-- their limit, however many of their tasks stand in front of other people's.
ALTER TABLE lanes ADD COLUMN member_id text NOT NULL DEFAULT '';
ALTER TABLE lanes DROP CONSTRAINT lanes_tenant_id_labels_key;
ALTER TABLE lanes ADD UNIQUE (tenant_id, labels, member_id);

-- The first task of a lane is one step into this index, whatever stands before it in the project's other lanes.
DROP INDEX tasks_head;
CREATE INDEX tasks_head ON tasks (project_id, lane_id, priority DESC, position, id) WHERE state = 'queued';

-- All that a claim counts, from the index alone.
DROP INDEX task_executions_live;
CREATE INDEX task_executions_live ON task_executions (worker_id, tenant_id, member_id) WHERE finished_at IS NULL;

-- The readable part of a task's branch, as its first title had it. All executions of a task push to the same
-- branch, whatever it is called by then, so that the forge never holds two of them.
ALTER TABLE tasks ADD COLUMN slug text NOT NULL DEFAULT 'task';
UPDATE tasks SET slug = coalesce(
    nullif(btrim(left(btrim(regexp_replace(lower(title), '[^a-z0-9]+', '-', 'g'), '-'), 40), '-'), ''), 'task');

-- Whether the worker itself said that it drains, and not a person.
ALTER TABLE workers ADD COLUMN drains_itself boolean NOT NULL DEFAULT false;

-- A poll looks for what its own request was given and its worker has not confirmed. Beginning with the worker,
-- this index and that of all that a worker has ever done look the same to the planner while the tables are small,
-- and it took the wrong one.
DROP INDEX task_executions_request;
CREATE INDEX task_executions_request ON task_executions (request_id) WHERE acknowledged_at IS NULL;

-- By tenant and turn at once, so that no plan of a claim looks at every project to sort them.
DROP INDEX project_queue_claimable;
CREATE INDEX project_queue_claimable ON project_queue (tenant_id, turn)
    WHERE queued > 0 AND running < max_running AND active;
