-- One row a project decides. The rows are taken by turn and locked; whoever holds one decides over its tasks,
-- and one that another transaction holds is passed over. A snapshot may be older than the lock, so the task's
-- state is looked at again when it is written, and only what was really written moves the summary.
--
-- A task that had better not run on one of these workers, or that one refused, is passed over; the dispatcher asks again without it.
--
-- All limits but the project's own are counted here, from the live executions. That is exact because every
-- claim of every replica runs under one advisory lock that its transaction took before this statement's
-- snapshot (claim_lock.sql): executions may end meanwhile, but none can begin.
WITH live AS MATERIALIZED (
    SELECT tenant_id, member_id, worker_id, count(*) AS running FROM task_executions
    WHERE finished_at IS NULL
    GROUP BY tenant_id, member_id, worker_id
), room AS (
    -- least() passes over NULL, which is no limit.
    SELECT least(
        CAST(:max_running AS bigint) - coalesce(sum(running), 0),
        (SELECT max_running FROM tenants WHERE id = :tenant_id)
            - coalesce(sum(running) FILTER (WHERE tenant_id = :tenant_id), 0),
        (SELECT 0 FROM tenants WHERE id = :tenant_id AND spent_until > now())
    ) AS slots
    FROM live
), limited AS MATERIALIZED (
    SELECT m.id, m.max_running - coalesce((SELECT sum(running) FROM live WHERE member_id = m.id), 0) AS room
    FROM members m WHERE m.tenant_id = :tenant_id AND m.max_running IS NOT NULL
), satisfied AS (
    SELECT coalesce(array_agg(id), '{}') AS ids FROM lanes
    WHERE tenant_id = :tenant_id AND labels <@ CAST(:labels AS text[])
        AND NOT EXISTS (SELECT 1 FROM limited WHERE limited.id = lanes.member_id AND limited.room <= 0)
), offered AS (
    SELECT s.place, s.worker_id, s.request_id,
        w.slots - coalesce((SELECT sum(running) FROM live WHERE live.worker_id = w.id), 0) AS room,
        row_number() OVER (PARTITION BY w.id ORDER BY s.place) AS nth
    FROM unnest(CAST(:worker_ids AS text[]), CAST(:request_ids AS text[]))
        WITH ORDINALITY AS s (worker_id, request_id, place)
    JOIN workers w ON w.id = s.worker_id
    -- A poll may be older than a drain, or than its worker's new labels.
    WHERE w.tenant_id = :tenant_id AND w.state IN ('idle', 'busy') AND w.labels = CAST(:labels AS text[])
), slots AS (
    SELECT row_number() OVER (ORDER BY place) AS slot, place, worker_id, request_id
    FROM offered WHERE nth <= room
), wanted AS (
    SELECT greatest(0, least((SELECT count(*) FROM slots), (SELECT slots FROM room))) AS tasks
), heads AS (
    SELECT q.project_id, q.turn, q.lane_ids, q.max_running - q.running AS room, head.id AS task_id, head.member_id
    FROM project_queue q
    -- The best of the first tasks of its lanes: one step into the index for each, at any depth.
    CROSS JOIN LATERAL (
        SELECT first.id, first.member_id FROM unnest(q.lane_ids) AS lane (id)
        CROSS JOIN LATERAL (
            SELECT t.id, t.member_id, t.priority, t.position FROM tasks t
            WHERE t.project_id = q.project_id AND t.lane_id = lane.id AND t.state = 'queued'
                AND (t.avoid_worker_id IS NULL OR t.avoid_until <= now()
                    OR t.avoid_worker_id <> ALL (CAST(:worker_ids AS text[])))
                AND (t.refused_by IS NULL OR t.refused_until <= now()
                    OR NOT t.refused_by && CAST(:worker_ids AS text[]))
            ORDER BY t.priority DESC, t.position, t.id
            LIMIT 1
        ) first
        WHERE lane.id = ANY (CAST((SELECT ids FROM satisfied) AS bigint[]))
        ORDER BY first.priority DESC, first.position, first.id
        LIMIT 1
    ) head
    WHERE q.queued > 0 AND q.running < q.max_running AND q.active
        AND (q.spent_until IS NULL OR q.spent_until <= now())
        AND q.tenant_id = :tenant_id AND q.lane_ids && (SELECT ids FROM satisfied)
    ORDER BY q.turn
    LIMIT (SELECT tasks FROM wanted)
    FOR UPDATE OF q SKIP LOCKED
), share AS (
    -- Where there are fewer projects than slots, each gives several of its tasks at once.
    SELECT CAST(ceil((SELECT tasks FROM wanted) / greatest(count(*), 1)::numeric) AS bigint) AS tasks FROM heads
), candidates AS (
    SELECT project_id, turn, task_id, member_id, 1 AS round FROM heads
    UNION ALL
    SELECT h.project_id, h.turn, next.id, next.member_id, next.round
    FROM heads h
    CROSS JOIN LATERAL (
        SELECT several.id, several.member_id, row_number() OVER (ORDER BY several.priority DESC, several.position, several.id) AS round
        FROM unnest(h.lane_ids) AS lane (id)
        CROSS JOIN LATERAL (
            SELECT t.id, t.member_id, t.priority, t.position FROM tasks t
            WHERE t.project_id = h.project_id AND t.lane_id = lane.id AND t.state = 'queued'
                AND (t.avoid_worker_id IS NULL OR t.avoid_until <= now()
                    OR t.avoid_worker_id <> ALL (CAST(:worker_ids AS text[])))
                AND (t.refused_by IS NULL OR t.refused_until <= now()
                    OR NOT t.refused_by && CAST(:worker_ids AS text[]))
            ORDER BY t.priority DESC, t.position, t.id
            LIMIT least(h.room, (SELECT tasks FROM share))
        ) several
        WHERE lane.id = ANY (CAST((SELECT ids FROM satisfied) AS bigint[]))
    ) next
    WHERE next.round BETWEEN 2 AND least(h.room, (SELECT tasks FROM share))
        AND h.room > 1 AND (SELECT tasks FROM share) > 1
), allowed AS (
    -- A task of each project before a second one of any. A member's tasks may stand in many projects; what goes
    -- beyond the member's limit is left, and the next claim takes other people's in its place.
    SELECT c.task_id, row_number() OVER (ORDER BY c.round, c.turn) AS slot
    FROM (SELECT *, row_number() OVER (PARTITION BY member_id ORDER BY round, turn) AS nth FROM candidates) c
    LEFT JOIN limited ON limited.id = c.member_id
    WHERE limited.id IS NULL OR c.nth <= limited.room
), claimed AS (
    UPDATE tasks t SET
        state = 'running',
        execution_id = (CAST(:execution_ids AS text[]))[s.place],
        reason = NULL,
        message = '',
        version = version + 1,
        updated_at = now()
    FROM allowed a JOIN slots s ON s.slot = a.slot
    WHERE t.id = a.task_id AND t.state = 'queued' AND a.slot <= (SELECT tasks FROM wanted)
    RETURNING t.*, s.place, s.worker_id, s.request_id
), given AS (
    INSERT INTO task_executions (id, tenant_id, project_id, task_id, member_id, worker_id, fence, request_id,
        state, correlation_id, resumed_from, queued_at)
    SELECT execution_id, tenant_id, project_id, id, member_id, worker_id, nextval('fences'), request_id,
        'assigned', (CAST(:correlation_ids AS text[]))[place], resume_from, least(queued_at, now())
    FROM claimed
    RETURNING id, tenant_id, project_id, task_id, worker_id, fence, correlation_id, resumed_from
), counted AS (
    UPDATE project_queue q SET
        queued = q.queued - c.tasks,
        running = q.running + c.tasks,
        turn = nextval('project_turns'),
        lane_ids = CASE WHEN q.queued = c.tasks THEN '{}' ELSE q.lane_ids END
    FROM (SELECT project_id, count(*) AS tasks FROM claimed GROUP BY project_id) c
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
SELECT c.place, CAST(extract(epoch FROM now() - least(c.queued_at, now())) AS double precision) AS queued_seconds,
    g.id AS execution_id, g.fence, g.worker_id, g.correlation_id, g.resumed_from,
    c.id AS task_id, c.number, c.title, c.description, c.acceptance_criteria, c.target_files, c.budget_micros,
    c.base_branch, c.agent AS task_agent, c.verify_commands AS task_verify,
    c.slug AS task_slug, c.source_url,
    p.id AS project_id, p.name AS project_name, coalesce(r.repository_url, p.repository) AS repository,
    p.forge, p.default_branch,
    p.agent AS project_agent, p.setup_commands, p.verify_commands AS project_verify, p.limits, p.text_policy,
    c.workflow, c.repositories, p.workflow_nodes, p.isolation, p.change_rules, c.signature,
    -- The change that the task goes on with, for few.
    r.id AS change_id, r.branch AS change_branch, r.commit AS change_commit, r.base_branch AS change_base_branch,
    r.base_commit AS change_base_commit, r.repository AS change_repository,
    compared.candidates,
    -- What the execution that it goes on from has published, where that was no unfinished work.
    (SELECT s.commit FROM changes s WHERE s.execution_id = g.resumed_from AND s.repository IS NULL) AS resumed_commit
FROM given g
JOIN claimed c ON c.execution_id = g.id
JOIN projects p ON p.id = g.project_id
LEFT JOIN changes r ON r.id = c.responds_to
LEFT JOIN comparisons compared ON compared.id = c.comparison_id
ORDER BY c.place
