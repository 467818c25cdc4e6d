-- How much there is to do for one tenant. The totals come from the summaries; only for the lanes are tasks
-- counted, and no more of them than an answer is worth.
WITH totals AS (
    SELECT coalesce(sum(queued), 0) AS queued, coalesce(sum(running), 0) AS running,
        coalesce(sum(CASE WHEN active THEN least(queued, greatest(0, max_running - running)) ELSE 0 END), 0)
            AS claimable
    FROM project_queue WHERE tenant_id = :tenant_id
), counted AS (
    SELECT lane_id, count(*) AS queued FROM (
        SELECT t.lane_id FROM project_queue q JOIN tasks t ON t.project_id = q.project_id AND t.state = 'queued'
        WHERE q.tenant_id = :tenant_id AND q.queued > 0 AND q.active
        LIMIT CAST(:counted_at_most AS bigint)
    ) AS found
    GROUP BY lane_id
), by_labels AS (
    SELECT l.labels, sum(c.queued) AS queued FROM counted c JOIN lanes l ON l.id = c.lane_id
    WHERE l.tenant_id = :tenant_id
    GROUP BY l.labels
    ORDER BY sum(c.queued) DESC, l.labels
    LIMIT 100
)
SELECT totals.*,
    (SELECT coalesce(jsonb_agg(jsonb_build_object('labels', labels, 'queued', queued)), '[]') FROM by_labels)
        AS lanes
FROM totals
