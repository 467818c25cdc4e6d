-- An execution counts where it began, with all that it has used by now. Its id tells about when that was, so that
-- the index of a tenant's executions finds them; the moment itself is the database's.
WITH chosen AS (
    SELECT e.cost_micros, e.input_tokens, e.output_tokens,
        CASE WHEN jsonb_typeof(e.phase_seconds -> 'prepare') = 'number'
            THEN CAST(e.phase_seconds -> 'prepare' AS double precision) ELSE 0 END
        + CASE WHEN jsonb_typeof(e.phase_seconds -> 'implement') = 'number'
            THEN CAST(e.phase_seconds -> 'implement' AS double precision) ELSE 0 END
        + CASE WHEN jsonb_typeof(e.phase_seconds -> 'verify') = 'number'
            THEN CAST(e.phase_seconds -> 'verify' AS double precision) ELSE 0 END
        + CASE WHEN jsonb_typeof(e.phase_seconds -> 'publish') = 'number'
            THEN CAST(e.phase_seconds -> 'publish' AS double precision) ELSE 0 END AS seconds,
        CASE CAST(:by AS text)
            WHEN 'day' THEN to_char(e.assigned_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')
            WHEN 'month' THEN to_char(e.assigned_at AT TIME ZONE 'UTC', 'YYYY-MM')
            WHEN 'project' THEN e.project_id
            WHEN 'agent' THEN coalesce(e.facts ->> 'agent', (
                SELECT coalesce(t.agent, p.agent) ->> 'name' FROM tasks t JOIN projects p ON p.id = t.project_id
                WHERE t.id = e.task_id))
        END AS key
    FROM task_executions e
    WHERE e.tenant_id = :tenant_id AND e.id >= :least_id AND e.id < :most_id
        AND e.assigned_at >= CAST(:since AS date) AT TIME ZONE 'UTC'
        AND e.assigned_at < CAST(:until AS date) AT TIME ZONE 'UTC'
        AND (CAST(:project_id AS text) IS NULL OR e.project_id = :project_id)
)
SELECT c.key, GROUPING(c.key) = 1 AS is_total,
    (SELECT name FROM projects WHERE id = c.key AND CAST(:by AS text) = 'project') AS name,
    CAST(coalesce(sum(c.cost_micros), 0) AS bigint) AS cost_micros,
    CAST(coalesce(sum(c.input_tokens), 0) AS bigint) AS input_tokens,
    CAST(coalesce(sum(c.output_tokens), 0) AS bigint) AS output_tokens,
    count(*) AS executions, coalesce(sum(c.seconds), 0) AS seconds
FROM chosen c
GROUP BY GROUPING SETS ((c.key), ())
ORDER BY is_total DESC, CASE WHEN CAST(:by AS text) IN ('day', 'month') THEN c.key END,
    sum(c.cost_micros) DESC, c.key
LIMIT :limit
