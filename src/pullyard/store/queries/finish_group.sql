-- Plain successes, all of them at once, under the locks of their projects (finish_lock.sql). What is not plain is
-- left as it is and is not in the answer: another fence or worker, a state from which the table has no way, a
-- task that others wait for, that mends another's failure or goes on with a change of its own, another branch.
WITH wishes AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(CAST(:wishes AS jsonb)) AS w (place integer, id text, tenant_id text,
        worker_id text, fence bigint, from_states text[], message text, facts jsonb, phase_seconds jsonb,
        receipt jsonb, input_tokens bigint, output_tokens bigint, cost_micros bigint, nodes jsonb, change jsonb)
), found AS MATERIALIZED (
    -- By primary key alone: with one of the conditions below in here the index of what is live is walked instead,
    -- with all its dead entries.
    SELECT w.place, w.change IS NOT NULL AS has_change,
        w.change ->> 'branch' AS branch, e.id, e.tenant_id, e.worker_id, e.project_id, e.task_id, e.correlation_id,
        e.queued_at, e.finished_at IS NULL AND e.question IS NULL AND e.tenant_id = w.tenant_id
            AND e.worker_id = w.worker_id AND e.fence = w.fence AND e.state = ANY (w.from_states) AS fits
    FROM wishes w JOIN task_executions e ON e.id = w.id
), plain AS MATERIALIZED (
    SELECT DISTINCT ON (f.id) f.*, t.state AS task_state
    FROM found f JOIN tasks t ON t.id = f.task_id
    WHERE f.fits AND t.state = 'running' AND t.resolves IS NULL
        AND (NOT f.has_change OR (t.responds_to IS NULL
            -- As head_branch makes it: a worker must not offer any other for merging and deleting.
            AND f.branch = concat('pullyard/', t.number, '-', t.slug, '-', right(t.id, 6))))
        AND NOT EXISTS (SELECT 1 FROM task_dependencies d WHERE d.depends_on = t.id)
), ended AS (
    UPDATE task_executions e SET
        state = 'succeeded',
        reason = NULL,
        message = w.message,
        facts = e.facts || w.facts,
        phase_seconds = w.phase_seconds,
        receipt = w.receipt,
        -- What was told while it ran stays, also where a worker that was killed meanwhile knows of less.
        input_tokens = greatest(e.input_tokens, w.input_tokens),
        output_tokens = greatest(e.output_tokens, w.output_tokens),
        cost_micros = greatest(e.cost_micros, w.cost_micros),
        acknowledged_at = coalesce(e.acknowledged_at, now()),
        started_at = coalesce(e.started_at, now()),
        finished_at = now()
    FROM plain p JOIN wishes w ON w.place = p.place
    WHERE e.id = p.id
), completed AS (
    UPDATE tasks t SET
        state = 'completed',
        pending_reason = NULL,
        not_before = NULL,
        reason = NULL,
        message = w.message,
        tries = t.tries + 1,
        change_id = coalesce(w.change ->> 'id', t.change_id),
        finished_at = now(),
        version = t.version + 1,
        updated_at = now()
    FROM plain p JOIN wishes w ON w.place = p.place
    WHERE t.id = p.task_id
), walked AS (
    INSERT INTO execution_nodes (execution_id, place, name, kind, phase, attempt, outcome, reason, message, seconds,
        facts, started_at, finished_at)
    SELECT p.id, n.place, n.name, n.kind, n.phase, n.attempt, n.outcome, n.reason, n.message, n.seconds, n.facts,
        CASE WHEN n.outcome IS NULL THEN now() ELSE now() - make_interval(secs => n.seconds) END,
        CASE WHEN n.outcome IS NOT NULL THEN now() END
    FROM plain p JOIN wishes w ON w.place = p.place
    CROSS JOIN LATERAL jsonb_to_recordset(w.nodes) AS n (place integer, name text, kind text, phase text,
        attempt integer, outcome text, reason text, message text, seconds double precision, facts jsonb)
    ON CONFLICT (execution_id, name, attempt) DO UPDATE SET
        outcome = excluded.outcome,
        reason = excluded.reason,
        message = excluded.message,
        seconds = excluded.seconds,
        facts = excluded.facts,
        finished_at = excluded.finished_at
    WHERE execution_nodes.outcome IS NULL
), opened AS (
    INSERT INTO changes (id, tenant_id, project_id, task_id, execution_id, state, branch, base_branch, base_commit,
        commit, title, body, diffstat, diff, diff_truncated, url, receipt)
    SELECT c.id, p.tenant_id, p.project_id, p.task_id, p.id, 'open', c.branch, c.base_branch, c.base_commit,
        c.commit, c.title, c.body, c.diffstat, c.diff, c.diff_truncated, c.url, c.receipt
    FROM plain p JOIN wishes w ON w.place = p.place
    CROSS JOIN LATERAL jsonb_to_record(w.change) AS c (id text, branch text, base_branch text, base_commit text,
        commit text, title text, body text, diffstat jsonb, diff text, diff_truncated boolean, url text,
        receipt jsonb)
    WHERE w.change IS NOT NULL
), counted AS (
    UPDATE project_queue q SET running = q.running - n.tasks
    FROM (SELECT project_id, count(*) AS tasks FROM plain GROUP BY project_id) n
    WHERE q.project_id = n.project_id
), told AS (
    INSERT INTO events (tenant_id, project_id, task_id, execution_id, kind, payload)
    SELECT p.tenant_id, p.project_id, p.task_id, CASE WHEN e.part < 3 THEN p.id END, e.kind, e.payload
    FROM plain p JOIN wishes w ON w.place = p.place
    CROSS JOIN LATERAL (VALUES
        (1, 'change.open', CASE WHEN p.has_change THEN jsonb_build_object('change_id', w.change ->> 'id',
            'state', 'open', 'branch', w.change ->> 'branch') END),
        (2, 'execution.succeeded', jsonb_build_object('state', 'succeeded', 'reason', NULL, 'message', w.message)),
        (3, 'task.completed', jsonb_build_object('state', 'completed', 'from', p.task_state, 'pending_reason', NULL,
            'reason', NULL, 'message', w.message))
    ) AS e (part, kind, payload)
    WHERE e.payload IS NOT NULL
    ORDER BY p.place, e.part
)
SELECT place, id, project_id, task_id, correlation_id, CAST(extract(epoch FROM queued_at) AS double precision) AS queued_at,
    (SELECT w.labels FROM workers w WHERE w.id = plain.worker_id) AS worker_labels
FROM plain
