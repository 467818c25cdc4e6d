-- What a project demands of the place its code runs in, and who has signed a task.
ALTER TABLE projects ADD COLUMN isolation jsonb NOT NULL DEFAULT '{}';
ALTER TABLE tasks ADD COLUMN signature text;
