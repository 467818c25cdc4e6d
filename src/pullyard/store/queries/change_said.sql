-- Something new was found; it is looked at again when it may be answered.
UPDATE changes SET feedback_digest = :digest, feedback_at = now(),
    look_at = least(look_at, now() + make_interval(secs => CAST(:seconds AS double precision)))
WHERE id = :change_id
