-- One row a project decides. The rows are taken by turn and locked; whoever holds one decides over its tasks,
-- and one that another transaction holds is passed over. A snapshot may be older than the lock, so the task's
-- state is looked at again when it is written, and only what was really written moves the summary.
WITH satisfied AS (
    SELECT coalesce(array_agg(id), '{}') AS ids FROM lanes
    WHERE tenant_id = :tenant_id AND labels <@ CAST(:labels AS text[])
), heads AS (
    SELECT q.project_id, head.id AS task_id
    FROM project_queue q
    CROSS JOIN LATERAL (
        SELECT t.id FROM tasks t
        WHERE t.project_id = q.project_id AND t.state = 'queued'
            AND t.lane_id = ANY (CAST((SELECT ids FROM satisfied) AS bigint[]))
        ORDER BY t.priority DESC, t.position, t.id
        LIMIT 1
    ) head
    WHERE q.queued > 0 AND q.running < q.max_running AND q.active
        AND q.tenant_id = :tenant_id AND q.lane_ids && (SELECT ids FROM satisfied)
    ORDER BY q.turn
    LIMIT least(
        CAST(:slots AS bigint),
        greatest(0, :max_running - (SELECT count(*) FROM task_executions WHERE finished_at IS NULL))
    )
    FOR UPDATE OF q SKIP LOCKED
), numbered AS (
    SELECT project_id, task_id, row_number() OVER () AS slot FROM heads
), claimed AS (
    UPDATE tasks t SET
        state = 'running',
        execution_id = (CAST(:execution_ids AS text[]))[n.slot],
        reason = NULL,
        message = '',
        version = version + 1,
        updated_at = now()
    FROM numbered n
    WHERE t.id = n.task_id AND t.state = 'queued'
    RETURNING t.*, n.slot
), given AS (
    INSERT INTO task_executions (id, tenant_id, project_id, task_id, worker_id, fence, request_id, state,
        correlation_id, resumed_from, queued_at)
    SELECT c.execution_id, c.tenant_id, c.project_id, c.id, (CAST(:worker_ids AS text[]))[c.slot],
        nextval('fences'), (CAST(:request_ids AS text[]))[c.slot], 'assigned',
        (CAST(:correlation_ids AS text[]))[c.slot], c.resume_from, coalesce(c.queued_at, now())
    FROM claimed c
    RETURNING id, tenant_id, project_id, task_id, worker_id, fence, correlation_id, resumed_from
), counted AS (
    UPDATE project_queue q SET
        queued = q.queued - 1,
        running = q.running + 1,
        turn = nextval('project_turns'),
        lane_ids = CASE WHEN q.queued = 1 THEN '{}' ELSE q.lane_ids END
    FROM claimed c
    WHERE q.project_id = c.project_id
), leased AS (
    UPDATE workers w SET
        state = CASE WHEN w.state = 'idle' THEN 'busy' ELSE w.state END,
        lease_expires_at = greatest(w.lease_expires_at,
            now() + make_interval(secs => CAST(:lease_seconds AS double precision)))
    WHERE w.id IN (SELECT worker_id FROM given)
), told AS (
    INSERT INTO events (tenant_id, project_id, task_id, execution_id, kind, payload)
    SELECT tenant_id, project_id, task_id, id, 'execution.assigned',
        jsonb_build_object('state', 'assigned', 'task_state', 'running', 'worker_id', worker_id)
    FROM given
)
SELECT g.id AS execution_id, g.fence, g.worker_id, g.correlation_id, g.resumed_from,
    c.id AS task_id, c.number, c.title, c.description, c.acceptance_criteria, c.target_files, c.budget_micros,
    c.base_branch, c.agent AS task_agent, c.verify_commands AS task_verify,
    p.id AS project_id, p.name AS project_name, p.repository, p.forge, p.default_branch,
    p.agent AS project_agent, p.setup_commands, p.verify_commands AS project_verify, p.limits, p.text_policy
FROM given g
JOIN claimed c ON c.execution_id = g.id
JOIN projects p ON p.id = g.project_id
ORDER BY c.slot
