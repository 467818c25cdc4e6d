-- The flag that every claim looks at changes with the state, so that no path can miss it.
WITH queue AS (
    UPDATE project_queue SET active = (:state = 'running') WHERE project_id = :project_id
)
UPDATE projects SET
    automation = :state,
    automation_reason = :reason,
    automation_message = :message,
    automation_task_id = :task_id,
    automation_at = now(),
    version = version + 1,
    updated_at = now()
WHERE id = :project_id
