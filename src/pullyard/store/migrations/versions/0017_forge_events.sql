-- What a project does about what happens on its forge; what is not said is as the protocol says.
ALTER TABLE projects ADD COLUMN forge_events jsonb NOT NULL DEFAULT '{}';

-- The issue that a task was made from. However often and by whatever way we hear of it, it makes one task.
ALTER TABLE tasks ADD COLUMN source_url text;
CREATE UNIQUE INDEX tasks_source ON tasks (project_id, source_url) WHERE source_url IS NOT NULL;
