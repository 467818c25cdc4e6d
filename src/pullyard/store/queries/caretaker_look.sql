SELECT
    ARRAY(SELECT ARRAY[e.tenant_id, e.id] FROM task_executions e JOIN workers w ON w.id = e.worker_id
        WHERE e.finished_at IS NULL AND e.acknowledged_at IS NOT NULL
            AND (w.lease_expires_at IS NULL OR w.lease_expires_at < now())
        ORDER BY e.project_id LIMIT 1000) AS expired,
    ARRAY(SELECT ARRAY[tenant_id, id] FROM task_executions
        WHERE finished_at IS NULL AND acknowledged_at IS NULL
            AND assigned_at < now() - make_interval(secs => CAST(:acknowledge_seconds AS double precision))
        ORDER BY project_id LIMIT 1000) AS unacknowledged,
    ARRAY(SELECT ARRAY[tenant_id, id] FROM tasks
        WHERE state = 'pending' AND not_before IS NOT NULL AND not_before <= now()
        ORDER BY not_before LIMIT 1000) AS due,
    ARRAY(SELECT ARRAY[tenant_id, id] FROM schedules WHERE next_at <= now() ORDER BY next_at LIMIT 200) AS schedules,
    extract(epoch FROM least(
        (SELECT min(not_before) FROM tasks
            WHERE state = 'pending' AND not_before IS NOT NULL AND not_before > now()),
        (SELECT min(next_at) FROM schedules WHERE next_at > now())
    ) - now()) AS next_due,
    ARRAY(SELECT ARRAY[l.tenant_id, l.project_id]
        FROM task_lists l JOIN project_queue q ON q.project_id = l.project_id
        WHERE l.due_at <= now() AND q.active
        ORDER BY l.due_at LIMIT 200) AS lists_due,
    ARRAY(SELECT ARRAY[tenant_id, id] FROM changes
        WHERE state = 'open' AND url IS NOT NULL AND coalesce(look_at, '-infinity') <= now()
        ORDER BY coalesce(look_at, '-infinity') LIMIT 50) AS changes_due,
    ARRAY(SELECT ARRAY[tenant_id, id] FROM projects
        WHERE forge_events ->> 'poll_issues' = 'true' AND coalesce(issues_at, '-infinity') <= now()
        UNION
        SELECT ARRAY[p.tenant_id, p.id]
        FROM (SELECT DISTINCT project_id FROM tasks WHERE source_url IS NOT NULL AND NOT source_told) t
        JOIN projects p ON p.id = t.project_id WHERE coalesce(p.issues_at, '-infinity') <= now()
        LIMIT 50) AS issues_due,
    ARRAY(SELECT DISTINCT ARRAY[tenant_id, comparison_id] FROM tasks
        WHERE comparison_id IS NOT NULL AND NOT comparison_heard AND state IN ('completed', 'failed', 'cancelled')
        LIMIT 200) AS candidates_ended,
    EXISTS (SELECT 1 FROM workers
        WHERE state NOT IN ('offline', 'quarantined') AND lease_expires_at < now()) AS silent_workers
