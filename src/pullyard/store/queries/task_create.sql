-- One round trip from the wish to the queue. Nothing is written where the project is not there, or its lane is
-- not made yet; the caller makes it and asks again.
WITH queue AS (
    SELECT project_id FROM project_queue
    WHERE project_id = :project_id AND tenant_id = :tenant_id
    FOR UPDATE
), lane AS (
    SELECT l.id FROM lanes l, projects p
    WHERE p.id = :project_id AND l.tenant_id = :tenant_id
        AND l.member_id = coalesce(CAST(:member_id AS text), '') AND l.labels = ARRAY(
        SELECT DISTINCT label COLLATE "C" FROM unnest(CAST(:labels AS text[]) || p.labels) AS label ORDER BY 1)
), numbered AS (
    UPDATE projects p SET next_task_number = p.next_task_number + 1
    FROM queue, lane
    WHERE p.id = queue.project_id
    RETURNING p.next_task_number - 1 AS number, lane.id AS lane_id
), task AS (
    INSERT INTO tasks (id, tenant_id, project_id, number, title, description, acceptance_criteria, target_files,
        verify_commands, priority, labels, lane_id, member_id, budget_micros, base_branch, agent, state,
        pending_reason, queued_at, slug)
    SELECT :id, :tenant_id, :project_id, number, :title, :description, CAST(:acceptance_criteria AS jsonb),
        CAST(:target_files AS jsonb), CAST(:verify_commands AS jsonb), CAST(:priority AS integer),
        CAST(:labels AS text[]), lane_id, CAST(:member_id AS text), CAST(:budget_micros AS bigint), :base_branch,
        CAST(:agent AS jsonb), :state, :pending_reason, CASE WHEN CAST(:state AS text) = 'queued' THEN now() END,
        :slug
    FROM numbered
    RETURNING id, number, lane_id, state, title
), counted AS (
    UPDATE project_queue q SET
        queued = q.queued + 1,
        lane_ids = CASE WHEN task.lane_id = ANY (q.lane_ids) THEN q.lane_ids ELSE q.lane_ids || task.lane_id END
    FROM task
    WHERE q.project_id = :project_id AND task.state = 'queued'
), told AS (
    INSERT INTO events (tenant_id, project_id, task_id, kind, payload)
    SELECT :tenant_id, :project_id, id, 'task.created',
        jsonb_build_object('state', state, 'number', number, 'title', title)
    FROM task
)
SELECT number, lane_id FROM task
