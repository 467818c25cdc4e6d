-- The workers whose owners do not allow the task: until then it is for others. Both null for most tasks.
ALTER TABLE tasks ADD COLUMN refused_by text[];
ALTER TABLE tasks ADD COLUMN refused_until timestamptz;
CREATE INDEX tasks_refused ON tasks (tenant_id) WHERE state = 'queued' AND refused_by IS NOT NULL;
