-- The execution's row is locked as well: no frame comes after its end, and its streams begin one by one.
WITH execution AS (
    SELECT id, tenant_id, project_id, task_id, correlation_id, worker_id, fence, state FROM task_executions
    WHERE id = :execution_id AND tenant_id = :tenant_id
    FOR NO KEY UPDATE
), stream AS (
    INSERT INTO log_streams AS s (execution_id, stream, tenant_id)
    SELECT id, :stream, tenant_id FROM execution
    ON CONFLICT (execution_id, stream) DO UPDATE SET size_bytes = s.size_bytes
    RETURNING size_bytes
)
SELECT execution.*, stream.size_bytes FROM execution, stream
