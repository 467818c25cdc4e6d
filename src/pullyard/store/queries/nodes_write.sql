-- What a worker told of its nodes; the newest word on an attempt counts. An attempt is dated back by its length
-- where it is told of only when it is over.
INSERT INTO execution_nodes (execution_id, place, name, kind, phase, attempt, outcome, reason, message, seconds, facts,
    started_at, finished_at)
SELECT :execution_id, n.place, n.name, n.kind, n.phase, n.attempt, n.outcome, n.reason, n.message, n.seconds, n.facts,
    CASE WHEN n.outcome IS NULL THEN now() ELSE now() - make_interval(secs => n.seconds) END,
    CASE WHEN n.outcome IS NOT NULL THEN now() END
FROM jsonb_to_recordset(CAST(:nodes AS jsonb)) AS n (place integer, name text, kind text, phase text,
    attempt integer, outcome text, reason text, message text, seconds double precision, facts jsonb)
ON CONFLICT (execution_id, name, attempt) DO UPDATE SET
    outcome = excluded.outcome,
    reason = excluded.reason,
    message = excluded.message,
    seconds = excluded.seconds,
    facts = excluded.facts,
    finished_at = excluded.finished_at
WHERE execution_nodes.outcome IS NULL
