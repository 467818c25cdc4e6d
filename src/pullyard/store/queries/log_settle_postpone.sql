-- The attempt's object stays named, so that the next attempt removes it.
UPDATE log_streams
SET attempt_until = now() + make_interval(secs => CAST(:retry_seconds AS double precision))
WHERE execution_id = :execution_id AND stream = :stream AND attempt_key = :key
