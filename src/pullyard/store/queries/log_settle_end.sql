UPDATE log_streams SET place = :place, sha256 = :sha256, settled_at = coalesce(settled_at, now()),
    object_key = :object_key, object_bytes = :object_bytes, object_sha256 = :object_sha256,
    attempt_key = NULL, attempt_until = NULL
WHERE execution_id = :execution_id AND stream = :stream AND attempt_key = :key
